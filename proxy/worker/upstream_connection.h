// One connection to an application: sends a request, reads its response, and between two of them notices that the
// application closed it. Most requests go out in one write and come back in one read.
//
// Threads: everything on one executor. It knows no time: whoever waits for it closes it when that takes too long.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/worker/response_reader.h"

namespace warren::worker {

enum class ExchangeOutcome {
  kAnswered,
  kStale,     ///< A connection that had been used before was closed: nothing came back.
  kTooLarge,  ///< The response's body is over the limit.
  kBroken,    ///< The connection ended in the middle, or the response is no HTTP.
};

struct ExchangeResult {
  ExchangeOutcome outcome = ExchangeOutcome::kBroken;
  std::string_view problem;  ///< Static.
  bool keep = false;         ///< The connection may be used again; else it is closed.
  wire::Response response;
};

class UpstreamConnection : public std::enable_shared_from_this<UpstreamConnection> {
 public:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
  using Clock = std::chrono::steady_clock;

  /// Whoever uses the connection at the moment. Never called from inside Connect, Send or Close.
  class User {
   public:
    virtual void OnConnected(UpstreamConnection& connection, boost::system::error_code error) = 0;
    virtual void OnResult(UpstreamConnection& connection, ExchangeResult result) = 0;

   protected:
    ~User() = default;
  };

  explicit UpstreamConnection(const boost::asio::any_io_executor& executor) : socket_(executor) {}

  /// Tries the endpoints in turn.
  void Connect(const Endpoints& endpoints, User& user);
  /// `body` has to live until OnResult or Close.
  void Send(const wire::Request& request, std::string_view host, std::uint64_t max_body_bytes, User& user);
  /// No user; `on_end` when the application closes it or sends something that nobody asked for.
  void Rest(std::function<void(UpstreamConnection&)> on_end);
  /// Nobody is told.
  void Close();

  /// Asks the system whether the application has neither closed it nor sent something that nobody asked for, which may
  /// be known before on_end is called. What came before a request must not be taken for its answer.
  bool IsQuiet();
  Clock::time_point opened_at() const { return opened_at_; }
  Clock::time_point resting_since() const { return resting_since_; }

 private:
  void Write();
  void Read();
  void OnReadable(boost::system::error_code error);
  void OnEnd();
  void Finish();

  boost::asio::ip::tcp::socket socket_;
  User* user_ = nullptr;
  std::function<void(UpstreamConnection&)> on_end_;
  ResponseReader reader_;
  std::string head_;
  std::string_view body_;
  std::size_t written_ = 0;
  std::vector<char> buffer_;
  bool reading_ = false, used_before_ = false, write_failed_ = false;
  Clock::time_point opened_at_, resting_since_;
};

}  // namespace warren::worker
