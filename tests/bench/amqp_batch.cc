// Bare AMQP administration, as fast as the broker takes it: what declaring many shards costs without Warren and without
// the plugin. Reads steps from standard input and sends each node's over a connection of its own, all of them at once,
// without waiting for answers in between; ends when the last answer is there.
//
//   amqp_batch --node HOST:PORT… < steps
//
// A step is a line of fields between tabs; the first is the node's number in the order of --node, from 0:
//   0 exchange NAME TYPE | 0 queue NAME | 0 bind QUEUE EXCHANGE KEY | 0 delete-queue NAME | 0 delete-exchange NAME
//
// Prints {"steps": …, "seconds": …, "refused": …}; exits with 2 when a step was refused.
#include <boost/asio/io_context.hpp>
#include <iostream>

#include "shardmgr/broker/amqp/connection.h"
#include "tests/bench/measure.h"

namespace warren::bench {
namespace {

using Fields = std::vector<std::string>;

Fields Split(const std::string& line) {
  Fields fields;
  std::size_t begin = 0;
  for (std::size_t tab = 0; tab != std::string::npos; begin = tab + 1) {
    tab = line.find('\t', begin);
    fields.push_back(line.substr(begin, tab - begin));
  }
  return fields;
}

/// All steps of one node, over one connection and one channel.
class Lane {
 public:
  Lane(boost::asio::io_context& io, const amqp::Endpoint& node) {
    amqp::ConnectionOptions options;
    options.endpoint = node;
    options.name = "bare administration";
    connection_ = amqp::Connection::Open(io.get_executor(), options,
                                         {[this] { Send(); }, [this](const Error& error) { OnClosed(error); }, {}});
  }

  void Add(Fields step) { steps_.push_back(std::move(step)); }
  std::size_t steps() const { return steps_.size(); }
  std::size_t refused() const { return refused_; }

 private:
  void OnClosed(const Error& error) {
    if (left_ > 0 || !sent_) Die(error.ToString());
  }

  void Send() {
    sent_ = true;
    left_ = steps_.size();
    if (left_ == 0) return connection_->Close();
    channel_ = connection_->OpenChannel();
    for (const Fields& step : steps_) Send(step);
  }

  void Send(const Fields& step) {
    const auto done = [this](const auto& answer) { Count(answer.has_value()); };
    const std::string& what = step.at(1);
    if (what == "exchange") {
      channel_->DeclareExchange({.name = step.at(2), .type = step.at(3), .durable = true}, done);
    } else if (what == "queue") {
      amqp::QueueDeclare queue;
      queue.name = step.at(2);
      queue.durable = true;
      queue.arguments.Set("x-queue-type", "classic");
      channel_->DeclareQueue(queue, done);
    } else if (what == "bind") {
      channel_->BindQueue(step.at(2), step.at(3), step.at(4), {}, done);
    } else if (what == "delete-queue") {
      channel_->DeleteQueue(step.at(2), false, false, done);
    } else if (what == "delete-exchange") {
      channel_->DeleteExchange(step.at(2), false, done);
    } else {
      Die("there is no step '" + what + "'");
    }
  }

  void Count(bool accepted) {
    refused_ += accepted ? 0 : 1;
    if (--left_ == 0) connection_->Close();
  }

  std::shared_ptr<amqp::Connection> connection_;
  std::shared_ptr<amqp::Channel> channel_;
  std::vector<Fields> steps_;
  std::size_t left_ = 0, refused_ = 0;
  bool sent_ = false;
};

int Run(Arguments arguments) {
  boost::asio::io_context io(1);
  std::vector<std::unique_ptr<Lane>> lanes;
  for (const std::string& text : arguments.All("node")) {
    const auto node = amqp::ParseEndpoint(text);
    if (!node) Die(node.error().ToString());
    lanes.push_back(std::make_unique<Lane>(io, *node));
  }
  arguments.RefuseUnknown();
  for (std::string line; std::getline(std::cin, line);) {
    Fields step = Split(line);
    const std::size_t node = std::stoul(step.at(0));
    if (node >= lanes.size() || step.size() < 3) Die("not a step: " + line);
    lanes[node]->Add(std::move(step));
  }
  const auto started = Clock::now();
  io.run();
  std::size_t steps = 0, refused = 0;
  for (const auto& lane : lanes) steps += lane->steps(), refused += lane->refused();
  const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  std::cout << nlohmann::json{{"steps", steps}, {"seconds", seconds}, {"refused", refused}}.dump() << std::endl;
  return refused == 0 ? 0 : 2;
}

}  // namespace
}  // namespace warren::bench

int main(int argc, char** argv) { return warren::bench::Run({argc, argv}); }
