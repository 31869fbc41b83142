// See control_room.h.
#include "coordinator/control_room.h"

#include <utility>

#include "coordinator/clock.h"
#include "shardmgr/program/logging.h"

namespace warren::coordinator {

using program::Log;
using program::LogLevel;

ControlRoom::ControlRoom(boost::asio::any_io_executor executor, ControlLinkOptions options, Handlers handlers)
    : executor_(std::move(executor)), options_(std::move(options)), handlers_(std::move(handlers)) {}

void ControlRoom::SetVhosts(const std::set<std::string>& vhosts, const std::vector<amqp::Endpoint>& running) {
  for (auto link = links_.begin(); link != links_.end();) {
    if (vhosts.contains(link->first)) {
      ++link;
      continue;
    }
    const std::string vhost = link->first;
    link = links_.erase(link);
    handlers_.on_closed(vhost);
    handlers_.on_notice();
  }
  left_out_ = 0;
  for (const std::string& vhost : vhosts) {
    if (!links_.contains(vhost) && links_.size() >= kMostVhosts) {
      ++left_out_;
      continue;
    }
    if (!links_.contains(vhost)) Open(vhost);
    links_[vhost].control->SetEndpoints(running);
  }
}

void ControlRoom::Open(const std::string& vhost) {
  ControlLinkOptions options = options_;
  options.vhost = vhost;
  links_[vhost].control = std::make_unique<ControlLink>(
      executor_, std::move(options),
      ControlLinkHandlers{
          .on_message = [this, vhost](const ControlMessage& message) { handlers_.on_message(vhost, message); },
          .on_returned = [this, vhost](const std::string& inbox) { handlers_.on_returned(vhost, inbox); },
          .on_state = [this, vhost](bool hears, const std::string& problem) { OnState(vhost, hears, problem); }});
}

void ControlRoom::OnState(const std::string& vhost, bool hears, const std::string& problem) {
  Link& link = links_[vhost];
  const bool news = link.problem != problem || (hears && !link.was_heard);
  link.problem = problem;
  link.hears = hears;
  link.was_heard = link.was_heard || hears;
  Update(vhost, link);
  handlers_.on_notice();
  if (!news) return;
  if (problem.empty()) {
    Log(LogLevel::kInfo, "consumers are heard, and told what to consume", {{"vhost", vhost}});
  } else {
    Log(LogLevel::kWarning, "consumers are not told what to consume, and choose by themselves: " + problem);
  }
}

void ControlRoom::Update(const std::string& vhost, Link& link) {
  const bool hears = link.hears && !alarm_ && !link.control->is_blocked();
  if (link.ear.Update(hears, NowMs())) handlers_.on_heard(vhost);
}

void ControlRoom::Look(bool alarm) {
  alarm_ = alarm;
  for (auto& [vhost, link] : links_) Update(vhost, link);
}

void ControlRoom::Retry(const std::string& vhost) {
  if (const auto link = links_.find(vhost); link != links_.end()) link->second.control->Retry();
}

bool ControlRoom::CanSend(const std::string& vhost) const {
  const auto link = links_.find(vhost);
  return link != links_.end() && link->second.control->CanSend();
}

bool ControlRoom::Send(const std::string& vhost, const std::string& inbox, std::string_view body) {
  const auto link = links_.find(vhost);
  return link != links_.end() && link->second.control->Send(inbox, body);
}

Ear* ControlRoom::ear(const std::string& vhost) {
  const auto link = links_.find(vhost);
  return link == links_.end() ? nullptr : &link->second.ear;
}

std::vector<std::string> ControlRoom::notices() const {
  std::vector<std::string> notices;
  for (const auto& [vhost, link] : links_) {
    if (!link.problem.empty()) notices.push_back("no assignments in " + link.problem);
  }
  if (left_out_ > 0) {
    notices.push_back("no assignments in " + std::to_string(left_out_) + " virtual hosts: a coordinator listens in " +
                      std::to_string(kMostVhosts) + " at most");
  }
  return notices;
}

}  // namespace warren::coordinator
