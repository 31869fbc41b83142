// The rules about deliveries.
#include <stdexcept>

#include "tests/unit/worker/job_runner_fixture.h"

namespace warren::worker {
namespace {

TEST_F(JobRunnerTest, RunsNeverMoreAtOnceThanConcurrencyAndAllInTheEnd) {
  const auto runner = Runner(3, Keeping());
  for (std::uint64_t tag = 1; tag <= 20; ++tag) runner->Take(MakeJob(tag));
  EXPECT_EQ(kept_.size(), 3u);
  EXPECT_EQ(metrics_.in_flight.Value(), 3);
  while (!kept_.empty()) AnswerFirst();
  EXPECT_EQ(most_, 3u);
  EXPECT_EQ(source_->answers.size(), 20u);
  EXPECT_TRUE(runner->idle());
  EXPECT_EQ(metrics_.in_flight.Value(), 0);
}

TEST_F(JobRunnerTest, SaysWhereAnAnswerComesFrom) {
  const auto runner = Runner(1, Keeping());
  runner->Take(MakeJob(1));
  AnswerFirst(201);
  const wire::Response& answer = source_->answers.at(1);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.node, "node");
  EXPECT_EQ(answer.shard, source_->shard());
  EXPECT_EQ(answer.worker, "worker-1");
  EXPECT_TRUE(answer.work_us);
}

TEST_F(JobRunnerTest, DropsWhatExpiredAlsoWhileItWaited) {
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  const auto runner = Runner(1, Keeping());
  Job late = MakeJob(1);
  late.request.deadline_ms = now_ms - 1;
  runner->Take(std::move(late));
  EXPECT_EQ(source_->dropped, std::vector<std::uint64_t>{1});
  EXPECT_TRUE(kept_.empty());
  runner->Take(MakeJob(2));
  Job soon = MakeJob(3);
  soon.request.deadline_ms = now_ms - 1;
  runner->Take(std::move(soon));
  EXPECT_EQ(source_->dropped.size(), 1u);
  AnswerFirst();
  EXPECT_EQ(source_->dropped, (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(metrics_.expired.Value(), 2);
}

TEST_F(JobRunnerTest, RunsARedeliveredRequestOnlyWhenThatIsSafe) {
  const auto runner = Runner(4, Keeping());
  Job unsafe = MakeJob(1), safe = MakeJob(2);
  unsafe.redelivered = safe.redelivered = true;
  safe.request.retry_safe = true;
  runner->Take(std::move(unsafe));
  EXPECT_TRUE(kept_.empty());
  EXPECT_EQ(source_->answers.at(1).status, 502);
  runner->Take(std::move(safe));
  AnswerFirst();
  EXPECT_EQ(source_->answers.at(2).status, 200);
  EXPECT_EQ(metrics_.redelivered.Value(), 2);
}

TEST_F(JobRunnerTest, AnswersNothingOfAnAbandonedConnectionAndCountsItNoLonger) {
  const auto runner = Runner(1, Keeping());
  runner->Take(MakeJob(1));
  runner->Take(MakeJob(2));
  runner->Abandon();
  EXPECT_EQ(kept_.size(), 1u);
  runner->Take(MakeJob(3));
  EXPECT_EQ(kept_.size(), 1u) << "the application is still busy with the first";
  AnswerFirst();
  AnswerFirst();
  EXPECT_EQ(source_->answers.size(), 1u);
  EXPECT_TRUE(source_->answers.contains(3));
  EXPECT_TRUE(runner->idle());
  EXPECT_EQ(metrics_.in_flight.Value(), 0);
}

TEST_F(JobRunnerTest, RunsNothingThatTheBrokerHasRequeuedMeanwhile) {
  const auto runner = Runner(1, Keeping());
  runner->Take(MakeJob(1));
  runner->Take(MakeJob(2));
  source_->open = false;
  AnswerFirst();
  EXPECT_TRUE(kept_.empty());
  EXPECT_TRUE(source_->answers.empty());
  EXPECT_EQ(source_->dropped, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_TRUE(runner->idle());
}

TEST_F(JobRunnerTest, AnswersFiveHundredWhenTheHandlerThrowsOrForgets) {
  const auto throws = Runner(1, [](const wire::Request&, Responder) { throw std::runtime_error("no"); });
  const auto throws_oddly = Runner(1, [](const wire::Request&, Responder) { throw 1; });
  const auto forgets = Runner(1, [](const wire::Request&, Responder) {});
  throws->Take(MakeJob(1));
  throws_oddly->Take(MakeJob(2));
  forgets->Take(MakeJob(3));
  Turn();
  for (std::uint64_t tag = 1; tag <= 3; ++tag) EXPECT_EQ(source_->answers.at(tag).status, 500) << tag;
  EXPECT_TRUE(throws->idle() && throws_oddly->idle() && forgets->idle());
}

TEST_F(JobRunnerTest, AnswersOnceHoweverOftenTheHandlerDoes) {
  const auto runner = Runner(1, [](const wire::Request&, Responder responder) {
    responder.Answer(PlainResponse(200, "first"));
    responder.Answer(PlainResponse(404, "second"));
  });
  runner->Take(MakeJob(1));
  Turn();
  EXPECT_EQ(source_->answers.size(), 1u);
  EXPECT_EQ(source_->answers.at(1).status, 200);
  EXPECT_TRUE(runner->idle());
}

TEST_F(JobRunnerTest, AcceptsWhatIsInWorkForAWhileAndWhatWaitsOnce) {
  const auto runner = Runner(1, Keeping(), 1);
  runner->Take(MakeJob(1));
  runner->Take(MakeJob(2));
  Turn();
  ASSERT_EQ(source_->accepted.size(), 2u);
  EXPECT_NE(source_->accepted.at(1), source_->accepted.at(2));
  EXPECT_EQ(metrics_.accepted.Value(), 2);
  EXPECT_TRUE(source_->answers.empty());
  AnswerFirst();
  AnswerFirst();
  EXPECT_EQ(metrics_.accepted.Value(), 2);
  EXPECT_EQ(source_->answers.size(), 2u);
}

TEST_F(JobRunnerTest, AcceptsNothingThatIsAnsweredInTimeNorWhereThatIsOff) {
  const auto prompt = Runner(1, Keeping(), 20);
  prompt->Take(MakeJob(1));
  kept_.front().AnswerHere(PlainResponse(200, ""));
  kept_.clear();
  const auto off = Runner(1, Keeping(), 0);
  off->Take(MakeJob(2));
  Turn();
  EXPECT_TRUE(source_->accepted.empty());
  EXPECT_EQ(source_->answers.size(), 1u);
}

TEST_F(JobRunnerTest, TellsTheHandlerThatNobodyWaitsAndAcksWithoutAnAnswer) {
  const auto runner = Runner(1, Keeping(), 1);
  runner->Take(MakeJob(1));
  int given_up = 0;
  kept_.front().OnCancel([&] { ++given_up; });
  Turn();
  EXPECT_FALSE(kept_.front().cancelled());
  runner->Cancel("c", source_->accepted.at(1));
  runner->Cancel("c", source_->accepted.at(1));
  EXPECT_EQ(given_up, 1);
  EXPECT_TRUE(kept_.front().cancelled());
  EXPECT_EQ(source_->dropped, std::vector<std::uint64_t>{1});
  EXPECT_EQ(metrics_.in_flight.Value(), 1) << "the handler is still busy with it";
  AnswerFirst();
  EXPECT_TRUE(source_->answers.empty());
  EXPECT_EQ(source_->dropped.size(), 1u) << "acked once";
  EXPECT_EQ(metrics_.cancelled.Value(), 1);
  EXPECT_TRUE(runner->idle());
}

TEST_F(JobRunnerTest, CallsOnCancelAtOnceWhenItWasCancelledBefore) {
  const auto runner = Runner(1, Keeping(), 1);
  runner->Take(MakeJob(1));
  Turn();
  runner->Cancel("c", source_->accepted.at(1));
  bool given_up = false;
  kept_.front().OnCancel([&] { given_up = true; });
  EXPECT_TRUE(given_up);
}

TEST_F(JobRunnerTest, NeverRunsWhatIsCancelledWhileItWaits) {
  const auto runner = Runner(1, Keeping(), 1);
  runner->Take(MakeJob(1));
  runner->Take(MakeJob(2));
  Turn();
  runner->Cancel("c", source_->accepted.at(2));
  EXPECT_EQ(source_->dropped, std::vector<std::uint64_t>{2});
  AnswerFirst();
  EXPECT_TRUE(kept_.empty());
  EXPECT_EQ(source_->answers.size(), 1u);
}

TEST_F(JobRunnerTest, IgnoresCancelsOfOtherAttemptsAndRequests) {
  const auto runner = Runner(1, Keeping(), 1);
  runner->Take(MakeJob(1));
  runner->Cancel("c", "worker-1-0");
  Turn();
  runner->Cancel("c", "worker-2-0");
  runner->Cancel("c", "");
  runner->Cancel("another", source_->accepted.at(1));
  EXPECT_TRUE(source_->dropped.empty());
  AnswerFirst();
  EXPECT_EQ(source_->answers.at(1).status, 200);
  runner->Cancel("c", source_->accepted.at(1));
  EXPECT_TRUE(source_->dropped.empty());
}

TEST(Responder, OutlivesTheRunnerAndItsExecutorAndIsThenSilent) {
  std::vector<Responder> kept;
  auto source = std::make_shared<Source>();
  {
    boost::asio::io_context context{1};
    prometheus::Registry registry;
    WorkerMetrics metrics(registry, "/", "shard.web");
    const auto runner = JobRunner::Make(
        context.get_executor(), {2, std::chrono::milliseconds(0)},
        [&](const wire::Request&, Responder responder) { kept.push_back(std::move(responder)); }, metrics);
    runner->Take(Job{source, 1, false, "c", "r", {}});
    runner->Take(Job{source, 2, false, "c", "r", {}});
  }
  EXPECT_EQ(source.use_count(), 1) << "a responder keeps nothing of the connection";
  ASSERT_EQ(kept.size(), 2u);
  kept.front().Answer(PlainResponse(200, "late"));
  kept.clear();
  EXPECT_TRUE(source->answers.empty());
}

TEST_F(JobRunnerTest, MakesA502OfAStatusThatIsNoFinalOne) {
  const auto runner = Runner(1, Keeping());
  for (int status : {0, 100, 199, 600, -1}) {
    runner->Take(MakeJob(1));
    AnswerFirst(status);
    EXPECT_EQ(source_->answers.at(1).status, 502) << status;
    source_->answers.clear();
  }
}

}  // namespace
}  // namespace warren::worker
