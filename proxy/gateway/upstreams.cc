// Which node is next; see the header.
#include "proxy/gateway/upstreams.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "shardmgr/broker/amqp/tls.h"

namespace warren::gateway {

Upstreams::Upstreams(std::vector<amqp::Endpoint> nodes)
    : nodes_(std::move(nodes)), clients_(nodes_.size()), failures_(nodes_.size()) {}

Result<std::unique_ptr<Upstreams>> Upstreams::Make(std::vector<amqp::Endpoint> nodes, const std::string& tls_ca_file) {
  std::unique_ptr<Upstreams> made(new Upstreams(std::move(nodes)));
  const auto& all = made->nodes_;
  if (std::any_of(all.begin(), all.end(), [](const amqp::Endpoint& node) { return node.tls; })) {
    auto context = amqp::MakeTlsContext(tls_ca_file);
    if (!context) return tl::unexpected(std::move(context.error()));
    made->tls_ = std::make_unique<boost::asio::ssl::context>(std::move(*context));
  }
  return made;
}

std::vector<std::size_t> Upstreams::InOrder(const std::function<bool(std::size_t)>& up) {
  struct Place {
    bool down = false;
    std::size_t clients = 0, turn = 0, node = 0;
  };
  const std::size_t first = turn_.fetch_add(1, std::memory_order_relaxed);
  std::vector<Place> places;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const std::size_t node = (first + i) % nodes_.size();
    places.push_back({!up(node), clients(node), i, node});
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.down, a.clients, a.turn) < std::tie(b.down, b.clients, b.turn);
  });
  std::vector<std::size_t> order;
  for (const Place& place : places) order.push_back(place.node);
  return order;
}

}  // namespace warren::gateway
