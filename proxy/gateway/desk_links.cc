// See desk_links.h.
#include "proxy/gateway/desk_links.h"

#include <boost/asio/post.hpp>

namespace warren::gateway {
namespace {

constexpr std::chrono::seconds kKeepIdle{30};
/// A bye and a hello go over two channels: the later must not overtake the earlier.
constexpr std::chrono::milliseconds kAfterBye{500};

}  // namespace

Links::Links(boost::asio::any_io_executor executor, LinksOptions options, Hooks hooks)
    : executor_(std::move(executor)), options_(std::move(options)), hooks_(std::move(hooks)) {}

void Links::Start() {
  for (std::size_t upstream = 0; upstream < options_.nodes.size(); ++upstream) OpenLine({upstream, options_.vhost});
}

void Links::Stop() {
  stopped_ = true;
  for (auto& [place, line] : lines_) {
    for (auto& [exchange, talk] : line.talks) {
      if (talk) talk->SayBye();
    }
    line.talks.clear();
    line.link->Stop();
  }
}

Links::Line& Links::OpenLine(const Place& place) {
  Line& line = lines_[place];
  if (line.link) return line;
  NodeLinkOptions options{options_.nodes.at(place.first), options_.credentials, place.second, options_.tls_ca_file,
                          "warren-gateway " + options_.instance};
  NodeLink::Hooks hooks;
  hooks.on_up = [this, place] {
    TellNode(place);
    hooks_.on_link(place.first, place.second);
  };
  hooks.on_inbox = [this, place] {
    TalkAll(place);
    hooks_.on_inbox();
  };
  hooks.on_lost = [this, place] { OnLost(place); };
  hooks.on_publisher = [this, place] { TalkAll(place); };
  hooks.on_publisher_lost = [this, place](bool was_up) {
    EndTalks(place);
    if (!was_up) TellSilent(place);
  };
  hooks.on_failure = [this](const Error& error) { hooks_.on_failure(error); };
  hooks.on_assignment = [this, place](std::string_view body) { OnAssignment(place, body); };
  hooks.on_checked = [this, place](const std::string& queue) { hooks_.on_checked(place.first, place.second, queue); };
  line.link = std::make_unique<NodeLink>(executor_, std::move(options), std::move(hooks));
  line.link->Start();
  return line;
}

void Links::TellNode(const Place& place) {
  if (place.second == options_.vhost) hooks_.on_node(place.first, lines_.at(place).link->connection() != nullptr);
}

void Links::EndTalks(const Place& place) {
  for (auto& [exchange, talk] : lines_.at(place).talks) {
    boost::asio::post(executor_, [gone = std::move(talk)] {});  // Not while it is calling.
    talk = nullptr;
  }
}

void Links::OnLost(const Place& place) {
  EndTalks(place);
  TellNode(place);
  hooks_.on_link(place.first, place.second);
  TellRefused(place);
}

void Links::TellRefused(const Place& place) {
  if (lines_.at(place).link->refuses_inbox()) TellSilent(place);
}

/// Who can be assigned nothing goes by what is seen.
void Links::TellSilent(const Place& place) {
  for (const auto& [exchange, talk] : lines_.at(place).talks) hooks_.on_silent({place.first, place.second, exchange});
}

void Links::Open(const GroupKey& key) {
  const Place place(key.upstream, key.vhost);
  Line& line = OpenLine(place);
  line.talks.emplace(key.exchange, nullptr);
  line.link->OpenPublisher();
  Talk(place, key.exchange);
  TellRefused(place);
}

void Links::TalkAll(const Place& place) {
  for (const auto& [exchange, talk] : lines_.at(place).talks) Talk(place, exchange);
}

void Links::Talk(const Place& place, const std::string& exchange) {
  const auto found = lines_.find(place);
  if (stopped_ || found == lines_.end()) return;
  Line& line = found->second;
  const auto talk = line.talks.find(exchange);
  const auto connection = line.link->publisher();
  if (talk == line.talks.end() || talk->second || !connection || line.link->inbox().empty()) return;
  if (const auto bye = line.byes.find(exchange); bye != line.byes.end()) {
    const auto pause = bye->second + kAfterBye - Clock::now();
    if (pause > Clock::duration::zero()) {
      const auto timer = std::make_shared<boost::asio::steady_timer>(executor_, pause);
      timer->async_wait([this, place, exchange, timer](boost::system::error_code) { Talk(place, exchange); });
      return;
    }
    line.byes.erase(bye);
  }
  const GroupKey key{place.first, place.second, exchange};
  const std::string instance = options_.instance + "/" + options_.nodes[place.first].ToString();
  talk->second = control::AssignmentClient::Start(
      executor_, connection, line.link->inbox(), {exchange, instance, "gateway"},
      {.holds = [this, key] { return hooks_.holds(key); },
       .on_assignment = [this, key](const Assignment& assignment) { hooks_.on_assignment(key, assignment); },
       .on_silent = [this, key] { hooks_.on_silent(key); }});
}

void Links::Close(const GroupKey& key) {
  const auto line = lines_.find({key.upstream, key.vhost});
  if (line == lines_.end()) return;
  const auto talk = line->second.talks.find(key.exchange);
  if (talk == line->second.talks.end()) return;
  if (talk->second) {
    talk->second->SayBye();
    line->second.byes[key.exchange] = Clock::now();
  }
  line->second.talks.erase(talk);
  line->second.idle_since = Clock::now();
}

void Links::OnAssignment(const Place& place, std::string_view body) {
  const auto assignment = ReadAssignment(body);
  const auto& talks = lines_.at(place).talks;
  const auto talk = assignment ? talks.find(assignment->exchange) : talks.end();
  if (talk == talks.end() || !talk->second) return;  // The group has gone.
  const auto kept = talk->second;
  kept->Receive(body);
}

Presence Links::Ask(const GroupKey& key, const std::string& queue) {
  const auto line = lines_.find({key.upstream, key.vhost});
  return line == lines_.end() ? Presence::kUnknown : line->second.link->checks().Of(queue);
}

void Links::Lost(const GroupKey& key, const std::string& queue) {
  const auto line = lines_.find({key.upstream, key.vhost});
  if (line == lines_.end()) return;
  line->second.link->checks().Lost(queue);
  const auto talk = line->second.talks.find(key.exchange);
  if (talk != line->second.talks.end() && talk->second) talk->second->Hurry();
}

void Links::Doubt(const StreamMap& streams, const std::string& node) {
  for (const auto& [place, line] : lines_) {
    line.link->checks().Doubt([&, &vhost = place.second](const std::string& queue) {
      return node.empty() || streams.NodeOf(vhost, queue) == node;
    });
  }
}

void Links::OnStreams(const StreamMap& streams) {
  const auto now = Clock::now();
  for (auto line = lines_.begin(); line != lines_.end();) {
    const auto& [upstream, vhost] = line->first;
    line->second.link->checks().Keep([&, &in = vhost](const std::string& queue) {
      const SeenShard* shard = streams.FindShard(in, queue);
      return shard != nullptr && shard->up;
    });
    std::erase_if(line->second.byes, [&](const auto& bye) { return now - bye.second > kAfterBye; });
    const bool idle = line->second.talks.empty() && now - line->second.idle_since > kKeepIdle;
    if (idle) line->second.link->ClosePublisher();
    line = idle && vhost != options_.vhost ? lines_.erase(line) : std::next(line);
  }
}

std::map<QueueKey, std::size_t> Links::inboxes() const {
  std::map<QueueKey, std::size_t> inboxes;
  for (const auto& [place, line] : lines_) {
    if (!line.link->inbox().empty()) inboxes.emplace(QueueKey(place.second, line.link->inbox()), place.first);
  }
  return inboxes;
}

}  // namespace warren::gateway
