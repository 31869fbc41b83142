// Requests that another worker may have run: the runner asks the proxy before it runs them.
#include "tests/unit/worker/job_runner_fixture.h"

namespace warren::worker {
namespace {

TEST_F(JobRunnerTest, AsksBeforeItRunsWhatAnotherWorkerMayHaveRun) {
  const auto runner = Runner(1, Keeping());
  runner->Take(MakeClaim(1));
  EXPECT_TRUE(kept_.empty());
  ASSERT_EQ(source_->claimed.count(1), 1u);
  const std::string attempt = source_->claimed.find(1)->second;
  runner->Grant("c", attempt + "0");
  runner->Grant("another", attempt);
  EXPECT_TRUE(kept_.empty());
  EXPECT_FALSE(runner->idle());
  runner->Grant("c", attempt);
  ASSERT_EQ(kept_.size(), 1u);
  runner->Grant("c", attempt);
  EXPECT_EQ(kept_.size(), 1u);
  AnswerFirst();
  EXPECT_EQ(source_->answers.at(1).status, 200);
  EXPECT_EQ(metrics_.claimed.Value(), 1);
  EXPECT_TRUE(runner->idle());
}

TEST_F(JobRunnerTest, DoesNotAskAboutWhatIsSafeOrCertainlyNew) {
  const auto runner = Runner(4, Keeping());
  Job safe = MakeClaim(1), first = MakeClaim(2), again = MakeClaim(3);
  safe.request.retry_safe = true;
  first.first = true;
  again.redelivered = true;
  runner->Take(std::move(safe));
  runner->Take(std::move(first));
  runner->Take(MakeJob(4));  // Of a proxy that answers no claims.
  EXPECT_EQ(kept_.size(), 3u);
  runner->Take(std::move(again));
  EXPECT_EQ(source_->answers.at(3).status, 502);
  EXPECT_TRUE(source_->claimed.empty());
}

TEST_F(JobRunnerTest, HoldsNoPlaceForWhatItAskedAbout) {
  const auto runner = Runner(1, Keeping());
  runner->Take(MakeClaim(1));
  runner->Take(MakeJob(2));
  EXPECT_EQ(kept_.size(), 1u);
  runner->Grant("c", source_->claimed.find(1)->second);
  EXPECT_EQ(kept_.size(), 1u) << "one at once";
  AnswerFirst();
  EXPECT_EQ(kept_.size(), 1u);
  EXPECT_EQ(source_->answers.count(2), 1u);
}

TEST_F(JobRunnerTest, DoesNotSayThatItHasWhatItWouldHaveToAskAbout) {
  const auto runner = Runner(1, Keeping(), 10);
  runner->Take(MakeJob(1));
  runner->Take(MakeClaim(2));
  context_.restart();
  context_.run_for(std::chrono::milliseconds(100));
  EXPECT_EQ(source_->accepted.count(1), 1u);
  EXPECT_EQ(source_->accepted.count(2), 0u) << "another one may run it";
}

TEST_F(JobRunnerTest, WorkersOfOneNameHaveAttemptsOfTheirOwn) {
  const auto one = Runner(1, Keeping()), other = Runner(1, Keeping());
  one->Take(MakeClaim(1));
  other->Take(MakeClaim(1));
  ASSERT_EQ(source_->claimed.count(1), 2u);
  EXPECT_NE(source_->claimed.begin()->second, source_->claimed.rbegin()->second);
}

TEST_F(JobRunnerTest, RunsWhatNobodyCanBeAskedAbout) {
  const auto runner = Runner(1, Keeping());
  Job job = MakeClaim(1);
  job.reply_to.clear();
  runner->Take(std::move(job));
  EXPECT_EQ(kept_.size(), 1u);
}

TEST_F(JobRunnerTest, DropsWhatItMayNotRun) {
  const auto runner = Runner(1, Keeping());
  runner->Take(MakeClaim(1));
  runner->Cancel("c", source_->claimed.find(1)->second);
  EXPECT_EQ(source_->dropped, std::vector<std::uint64_t>{1});
  EXPECT_TRUE(kept_.empty());
  EXPECT_TRUE(runner->idle());
}

TEST_F(JobRunnerTest, AsksAgainUntilItHearsAnythingAndNoLongerThanTheDeadline) {
  const auto runner = Runner(1, Keeping());
  source_->can_claim = false;
  Job job = MakeClaim(1);
  job.request.deadline_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count() +
      1'200;
  runner->Take(std::move(job));
  source_->can_claim = true;
  Turn();  // Until nothing is left to wait for.
  EXPECT_GE(source_->claimed.count(1), 1u);
  EXPECT_EQ(source_->dropped, std::vector<std::uint64_t>{1});
  EXPECT_EQ(metrics_.claimed.Value(), 1);
  EXPECT_EQ(metrics_.expired.Value(), 1);
  EXPECT_TRUE(runner->idle());
}

TEST_F(JobRunnerTest, AsksAgainAtOnceWhereAnswersCanComeAgain) {
  const auto runner = Runner(1, Keeping());
  runner->Take(MakeClaim(1));
  runner->SetClaims(true);
  EXPECT_EQ(source_->claimed.count(1), 2u);
  EXPECT_EQ(metrics_.claimed.Value(), 1);
}

TEST_F(JobRunnerTest, RunsByTheBrokersFlagAloneWhereItCannotAsk) {
  const auto runner = Runner(2, Keeping());
  runner->Take(MakeClaim(1));
  source_->can_claim = false;
  runner->Take(MakeClaim(2));
  EXPECT_TRUE(kept_.empty());
  runner->SetClaims(false);
  EXPECT_EQ(kept_.size(), 1u) << "what was asked may have been refused";
  runner->Take(MakeClaim(3));
  EXPECT_EQ(kept_.size(), 2u);
  EXPECT_EQ(source_->claimed.count(3), 0u);
}

}  // namespace
}  // namespace warren::worker
