// One I/O thread; see the header.
#include "proxy/gateway/lane.h"

#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

namespace warren::gateway {

namespace asio = boost::asio;

Lane::Lane(const GatewayOptions& all_options, Desk& the_desk, Upstreams& nodes, std::shared_ptr<LaneStats> lane_stats,
           std::function<void()> on_gone)
    : SessionHost(all_options, the_desk, nodes, *lane_stats),
      lane_stats_(std::move(lane_stats)),
      on_gone_(std::move(on_gone)),
      work_(io_.get_executor()) {}

Lane::~Lane() {
  ForEach([](Session& session) { session.Abort(); });
}

void Lane::Run() { io_.run(); }

void Lane::Take(Peer::Socket socket, std::string client_address) {
  asio::post(io_, [this, socket = std::move(socket), address = std::move(client_address)]() mutable {
    const auto session = std::make_shared<Session>(std::move(socket), std::move(address), *this);
    sessions_.emplace(session.get(), session);
    session->Start();
    if (ending_) session->Shutdown();
  });
}

void Lane::Shutdown() {
  asio::post(io_, [this] {
    ending_ = true;
    ForEach([](Session& session) { session.Shutdown(); });
    EndIfIdle();
  });
}

void Lane::Stop() {
  asio::post(io_, [this] {
    ending_ = true;
    ForEach([](Session& session) { session.Abort(); });
    EndIfIdle();
  });
}

void Lane::ForEach(const std::function<void(Session&)>& action) {
  std::vector<std::shared_ptr<Session>> all;
  all.reserve(sessions_.size());
  for (const auto& [raw, session] : sessions_) all.push_back(session);
  for (const auto& session : all) action(*session);
}

void Lane::NoteConnect(const Error* error) {
  static const std::string kWhat = "broker nodes";
  if (error == nullptr) return connects_.Forget(kWhat);
  connects_.Note("a client is turned away: no node can be reached", kWhat, *error, false);
}

void Lane::Gone(Session& session) {
  if (sessions_.erase(&session) == 0) return;
  on_gone_();
  EndIfIdle();
}

void Lane::EndIfIdle() {
  if (ending_ && sessions_.empty()) io_.stop();
}

}  // namespace warren::gateway
