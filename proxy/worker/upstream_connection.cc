// Writing a request, reading a response.
#include "proxy/worker/upstream_connection.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "proxy/worker/request_head.h"

namespace warren::worker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 8 * 1024, kMaxReadBytes = 64 * 1024;

}  // namespace

void UpstreamConnection::Connect(const Endpoints& endpoints, User& user) {
  user_ = &user;
  const auto connected = [self = shared_from_this()](error_code error, const tcp::endpoint&) {
    if (self->user_ == nullptr) return;
    error_code ignored;
    self->socket_.set_option(tcp::no_delay(true), ignored);
    if (!error) self->socket_.non_blocking(true, error);
    self->opened_at_ = Clock::now();
    std::exchange(self->user_, nullptr)->OnConnected(*self, error);
  };
  if (endpoints.empty()) {
    asio::post(socket_.get_executor(), [connected] { connected(asio::error::host_not_found, {}); });
  } else {
    asio::async_connect(socket_, endpoints, connected);
  }
}

void UpstreamConnection::Send(const wire::Request& request, std::string_view host, std::uint64_t max_body_bytes,
                              User& user) {
  user_ = &user;
  on_end_ = nullptr;
  WriteRequestHead(request, host, head_);
  body_ = request.body;
  written_ = 0;
  write_failed_ = false;
  reader_.Begin(request.method == "HEAD", max_body_bytes);
  Write();
  if (!reading_) Read();
}

// What the socket takes at once goes out at once. An error is left to the reader: an application may refuse a body
// before it has read it all, and its answer counts all the same.
void UpstreamConnection::Write() {
  const auto rest = [this] {
    const asio::const_buffer head = asio::buffer(head_) + written_;
    return std::array{head, asio::buffer(body_.data(), body_.size()) + (written_ - (head_.size() - head.size()))};
  };
  error_code error;
  written_ += socket_.write_some(rest(), error);
  if (error && error != asio::error::would_block) write_failed_ = true;
  if (write_failed_ || written_ == head_.size() + body_.size()) return;
  socket_.async_write_some(rest(), [self = shared_from_this()](error_code failure, std::size_t count) {
    if (self->user_ == nullptr) return;
    self->written_ += count;
    self->write_failed_ = failure.failed();
    if (!failure && self->written_ < self->head_.size() + self->body_.size()) self->Write();
  });
}

// Always waits for something to read, also between two requests: that is how the end of the connection is noticed.
// What is there is taken only while a request is under way, so that nothing which came before one is taken for its
// answer.
void UpstreamConnection::Read() {
  reading_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    self->reading_ = false;
    if (!self->socket_.is_open()) return;
    self->OnReadable(error);
    if (self->socket_.is_open() && !self->reading_) self->Read();
  });
}

void UpstreamConnection::OnReadable(error_code error) {
  if (user_ == nullptr) return OnEnd();
  if (buffer_.empty()) buffer_.resize(kReadBytes);
  std::size_t count = 0;
  if (!error) count = socket_.read_some(asio::buffer(buffer_), error);
  if (error == asio::error::would_block) return;
  if (error) {
    if (error == asio::error::eof) reader_.End();
    return Finish();
  }
  const std::size_t taken = reader_.Feed({buffer_.data(), count});
  if (reader_.done() || reader_.failed()) {
    if (taken < count) write_failed_ = true;  // More came than was asked for.
    return Finish();
  }
  if (count == buffer_.size() && count < kMaxReadBytes) buffer_.resize(2 * count);
}

void UpstreamConnection::OnEnd() {
  const auto on_end = std::exchange(on_end_, nullptr);
  Close();
  if (on_end) on_end(*this);
}

void UpstreamConnection::Finish() {
  ExchangeResult result;
  if (reader_.done()) {
    result.outcome = ExchangeOutcome::kAnswered;
    result.keep = reader_.keeps_alive() && !write_failed_ && written_ == head_.size() + body_.size();
    result.response = reader_.Take();
  } else if (reader_.too_large()) {
    result.outcome = ExchangeOutcome::kTooLarge;
  } else if (used_before_ && !reader_.got_some()) {
    result.outcome = ExchangeOutcome::kStale;
  }
  result.problem = reader_.failed() ? reader_.problem() : std::string_view("the connection was lost");
  used_before_ = true;
  body_ = {};
  User& user = *std::exchange(user_, nullptr);
  if (!result.keep) Close();
  user.OnResult(*this, std::move(result));
}

void UpstreamConnection::Rest(std::function<void(UpstreamConnection&)> on_end) {
  on_end_ = std::move(on_end);
  resting_since_ = Clock::now();
  if (buffer_.size() > kReadBytes) buffer_ = std::vector<char>(kReadBytes);
}

void UpstreamConnection::Close() {
  user_ = nullptr;
  on_end_ = nullptr;
  error_code ignored;
  socket_.close(ignored);
}

bool UpstreamConnection::IsQuiet() {
  error_code error;
  char byte = 0;
  socket_.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  return error == asio::error::would_block;
}

}  // namespace warren::worker
