// A job runner with a source of jobs that stands in for a consumed shard, and handlers that keep what they are given.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/worker/job_runner.h"

namespace warren::worker {
class Source final : public JobSource {
 public:
  const std::string& shard() const override { return shard_; }
  bool is_open() const override { return open; }
  int Answer(const Job& job, const wire::Response& response) override {
    answers.emplace(job.delivery_tag, response);
    return response.status;
  }
  void Drop(const Job& job) override { dropped.push_back(job.delivery_tag); }
  bool Accept(const Job& job, std::string_view attempt) override {
    accepted.emplace(job.delivery_tag, attempt);
    return true;
  }

  bool Claim(const Job& job, std::string_view attempt) override {
    if (can_claim) claimed.emplace(job.delivery_tag, attempt);
    return can_claim;
  }

  bool open = true, can_claim = true;
  std::map<std::uint64_t, wire::Response> answers;
  std::vector<std::uint64_t> dropped;
  std::map<std::uint64_t, std::string> accepted;  ///< The attempt.
  std::multimap<std::uint64_t, std::string> claimed;

 private:
  std::string shard_ = "stream: shard.web - n - 0";
};

class JobRunnerTest : public ::testing::Test {
 protected:
  std::shared_ptr<JobRunner> Runner(unsigned concurrency, Handler handler, int accept_after_ms = 0) {
    const JobRunnerOptions options{concurrency, std::chrono::milliseconds(accept_after_ms)};
    auto runner = JobRunner::Make(context_.get_executor(), options, std::move(handler), metrics_);
    runner->SetOrigin("node", "worker-1");
    return runner;
  }

  // Keeps each request's responder until the test answers it.
  Handler Keeping() {
    return [this](const wire::Request&, Responder responder) {
      kept_.push_back(std::move(responder));
      most_ = std::max(most_, kept_.size());
    };
  }

  void AnswerFirst(int status = 200) {
    Responder responder = std::move(kept_.front());
    kept_.erase(kept_.begin());
    responder.Answer(PlainResponse(status, ""));
    Turn();
  }

  void Turn() {
    context_.restart();
    context_.run();
  }

  Job MakeJob(std::uint64_t tag) {
    Job job{source_, tag, false, "c", "r", {}};
    job.request.method = "POST";
    job.request.target = "/";
    return job;
  }

  Job MakeClaim(std::uint64_t tag) {
    Job job = MakeJob(tag);
    job.request.claim = true;
    return job;
  }

  boost::asio::io_context context_{1};
  prometheus::Registry registry_;
  WorkerMetrics metrics_{registry_, "/", "shard.web"};
  std::shared_ptr<Source> source_ = std::make_shared<Source>();
  std::vector<Responder> kept_;
  std::size_t most_ = 0;
};

}  // namespace warren::worker
