// One thread around the management client.
#include "proxy/worker/cluster_view.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>

namespace warren::worker {
namespace {

std::vector<SeenShard> Joined(const std::vector<std::string>& bound, const std::vector<Queue>& named) {
  std::map<std::string, SeenShard> shards;
  for (const std::string& queue : bound) shards[queue] = {queue, true, std::nullopt};
  for (const Queue& queue : named) {
    SeenShard& shard = shards[queue.name];
    shard.queue = queue.name;
    if (queue.ready && queue.unacked) shard.messages = *queue.ready + *queue.unacked;
  }
  std::vector<SeenShard> list;
  for (auto& [name, shard] : shards) list.push_back(std::move(shard));
  return list;
}

}  // namespace

class ClusterView::Impl {
 public:
  Impl(boost::asio::any_io_executor executor, management::ClientOptions options)
      : executor_(std::move(executor)), client_(std::move(options)) {}

  // Runs `ask` on the thread and hands what it gives to `done` on the executor.
  template <class Ask, class Done>
  void Run(Ask ask, Done done) {
    boost::asio::post(pool_, [this, ask = std::move(ask), done = std::move(done)]() mutable {
      boost::asio::post(executor_,
                        [done = std::move(done), answer = ask(client_)]() mutable { done(std::move(answer)); });
    });
  }

  void Join() {
    pool_.stop();
    client_.Cancel();
    pool_.join();
  }

 private:
  boost::asio::any_io_executor executor_;
  management::Client client_;
  boost::asio::thread_pool pool_{1};
};

ClusterView::ClusterView(boost::asio::any_io_executor executor, management::ClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}

ClusterView::~ClusterView() { impl_->Join(); }

void ClusterView::FindNode(const std::string& vhost, const std::string& queue,
                           std::function<void(Result<std::string>)> done) {
  impl_->Run(
      [vhost, queue](const management::Client& client) -> Result<std::string> {
        Result<Queue> found = client.GetQueue(vhost, queue);
        if (!found) return tl::unexpected(std::move(found.error()));
        return std::move(found->node);
      },
      std::move(done));
}

void ClusterView::Look(const std::string& vhost, const std::string& exchange,
                       std::function<void(Result<StreamView>)> done) {
  impl_->Run(
      [vhost, exchange](const management::Client& client) -> Result<StreamView> {
        Result<std::vector<std::string>> bound = client.ListServingShards(vhost, exchange);
        if (!bound && bound.error().code == ErrorCode::kNotFound) bound = std::vector<std::string>();
        if (!bound) return tl::unexpected(std::move(bound.error()));
        Result<std::vector<Queue>> named = client.ListQueuesNamed(vhost, ": " + exchange + " - ");
        if (!named) return tl::unexpected(std::move(named.error()));
        StreamView view;
        view.shards = Joined(*bound, *named);
        Result<std::vector<management::Consumer>> consumers = client.ListConsumers(vhost);
        if (!consumers) return tl::unexpected(std::move(consumers.error()));
        for (management::Consumer& consumer : *consumers) {
          view.consumers.push_back({std::move(consumer.queue), std::move(consumer.consumer_tag)});
        }
        return view;
      },
      std::move(done));
}

}  // namespace warren::worker
