// See node_pool.h.
#include "coordinator/node_pool.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <set>
#include <thread>

#include "coordinator/node_address.h"
#include "coordinator/node_link.h"
#include "shardmgr/program/logging.h"

namespace warren::coordinator {
namespace {

constexpr const char* kProbeVhost = "/";
constexpr int kProbeAttempts = 2;

bool Answered(const Error& error) {
  return error.code == ErrorCode::kUnauthorized || error.code == ErrorCode::kForbidden ||
         error.code == ErrorCode::kNotFound;
}

}  // namespace

class NodePool::Impl {
 public:
  explicit Impl(PoolOptions options)
      : options_(std::move(options)), work_(boost::asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}

  ~Impl() {
    Stop();
    entries_.clear();
  }

  void Stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] {
      closing_ = true;
      for (auto& [key, entry] : entries_) {
        if (entry.connection) entry.connection->Close();
      }
    });
    work_.reset();
    boost::asio::post(io_, [this] { io_.stop(); });
    thread_.join();
  }

  boost::asio::any_io_executor executor() { return io_.get_executor(); }
  std::size_t open_connections() const { return open_; }

  std::map<std::string, Error> Probe(const std::vector<Node>& nodes) {
    auto done = std::make_shared<std::promise<std::map<std::string, Error>>>();
    auto future = done->get_future();
    boost::asio::post(io_, [this, nodes, done] { StartProbe(nodes, done); });
    return future.get();
  }

  void Get(ConnectionName name, OnConnection done) {
    if (name.user == options_.credentials.user) name.user.clear();
    Entry& entry = entries_[name];
    if (entry.open) return done(entry.connection);
    entry.waiting.push_back(std::move(done));
    if (entry.connection) return;
    const auto known = nodes_.find(name.node);
    auto endpoint = known == nodes_.end()
                        ? Fail(ErrorCode::kUnavailable, "is not a node of this cluster now", "node " + name.node)
                        : NodeEndpoint(known->second, options_.node_addresses, options_.tls);
    if (!endpoint) return Answer(name, tl::unexpected(endpoint.error()));
    const auto password = passwords_.find(name.user);
    if (!name.user.empty() && password == passwords_.end()) {
      return Answer(name, Fail(ErrorCode::kUnauthorized, "has no password in the file of --credentials-file",
                               "user '" + name.user + "'"));
    }
    Open(name, *endpoint, name.user.empty() ? options_.credentials : amqp::Credentials{name.user, password->second});
  }

  void SetPasswords(std::map<std::string, std::string> passwords) {
    boost::asio::post(io_, [this, passwords = std::move(passwords)]() mutable {
      passwords_.swap(passwords);
      for (auto& [name, entry] : entries_) {
        const auto before = passwords.find(name.user);
        const auto now = passwords_.find(name.user);
        if (before == passwords.end() || !entry.connection) continue;
        if (now == passwords_.end() || now->second != before->second) entry.connection->Close();
      }
    });
  }

 private:
  using Key = ConnectionName;
  struct Entry {
    std::shared_ptr<amqp::Connection> connection;
    bool open = false;
    std::uint64_t attempt = 0;
    std::vector<OnConnection> waiting;
  };
  struct Probing {
    std::map<std::string, Error> unreachable;
    std::size_t pending = 1;
    std::shared_ptr<std::promise<std::map<std::string, Error>>> done;
  };

  void Open(const Key& key, const amqp::Endpoint& endpoint, amqp::Credentials credentials) {
    Entry& entry = entries_[key];
    entry.attempt = ++attempts_;
    amqp::ConnectionOptions options;
    options.endpoint = endpoint;
    options.credentials = std::move(credentials);
    options.vhost = key.vhost;
    options.name = "warren-coordinator";
    options.tls_ca_file = options_.tls_ca_file;
    options.handshake_timeout = options_.connect_timeout;
    options.heartbeat = kLinkHeartbeat;  // A connection that acts lives no longer than the lease that lets it.
    entry.connection = amqp::Connection::Open(
        io_.get_executor(), std::move(options),
        {.on_open = [this, key, attempt = entry.attempt] { Opened(key, attempt); },
         .on_closed = [this, key, attempt = entry.attempt](const Error& error) { Closed(key, attempt, error); }});
  }

  void Opened(const Key& key, std::uint64_t attempt) {
    Entry& entry = entries_[key];
    if (entry.attempt != attempt) return;
    entry.open = true;
    ++open_;
    Answer(key, entry.connection);
  }

  void Closed(const Key& key, std::uint64_t attempt, const Error& error) {
    Entry& entry = entries_[key];
    if (entry.attempt != attempt) return;
    const bool was_open = std::exchange(entry.open, false);
    if (was_open) {
      --open_;
      program::Log(program::LogLevel::kWarning, "connection to a node ended", error,
                   {{"node", key.node}, {"vhost", key.vhost}, {"user", key.user}});
    }
    // It must not go while it is calling us.
    boost::asio::post(io_, [gone = std::move(entry.connection)] {});
    entry.connection = nullptr;
    const std::string who = key.user.empty() ? "" : ", user '" + key.user + "'";
    Answer(key, tl::unexpected(error.Within("node " + key.node + who)));
    const bool ours = closing_ || !nodes_.contains(key.node);
    if (was_open && key.user.empty() && !ours && options_.on_node_lost) options_.on_node_lost(key.node);
  }

  void Answer(const Key& key, const Result<std::shared_ptr<amqp::Connection>>& result) {
    for (auto& done : std::exchange(entries_[key].waiting, {})) done(result);
  }

  void StartProbe(const std::vector<Node>& nodes, std::shared_ptr<std::promise<std::map<std::string, Error>>> done) {
    nodes_.clear();
    for (const Node& node : nodes) nodes_[node.name] = node;
    DropStrangers();
    auto probing = std::make_shared<Probing>();
    probing->done = std::move(done);
    for (const Node& node : nodes) {
      if (!node.running) continue;
      ++probing->pending;
      Try(node.name, suspects_.contains(node.name) ? 1 : kProbeAttempts, probing);
    }
    Finish(*probing);
  }

  void Try(const std::string& node, int attempts_left, const std::shared_ptr<Probing>& probing) {
    Get({node, kProbeVhost}, [this, node, attempts_left, probing](Result<std::shared_ptr<amqp::Connection>> result) {
      if (result || Answered(result.error())) {
        suspects_.erase(node);
        return Finish(*probing);
      }
      if (attempts_left > 1) {
        return boost::asio::post(io_, [=, this] { Try(node, attempts_left - 1, probing); });
      }
      suspects_.insert(node);
      probing->unreachable.emplace(node, result.error());
      Finish(*probing);
    });
  }

  static void Finish(Probing& probing) {
    if (--probing.pending == 0) probing.done->set_value(std::move(probing.unreachable));
  }

  /// Closes connections to nodes that left the cluster.
  void DropStrangers() {
    for (auto& [key, entry] : entries_) {
      if (entry.open && !nodes_.contains(key.node)) entry.connection->Close();
    }
  }

  PoolOptions options_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::map<std::string, Node> nodes_;
  std::set<std::string> suspects_;  ///< Did not answer the last probe.
  std::map<std::string, std::string> passwords_;
  std::map<Key, Entry> entries_;
  bool closing_ = false;
  std::uint64_t attempts_ = 0;
  std::atomic<std::size_t> open_{0};
  std::thread thread_;
};

NodePool::NodePool(PoolOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
NodePool::~NodePool() = default;
void NodePool::Stop() { impl_->Stop(); }
std::map<std::string, Error> NodePool::Probe(const std::vector<Node>& nodes) { return impl_->Probe(nodes); }
void NodePool::Get(const ConnectionName& name, OnConnection done) { impl_->Get(name, std::move(done)); }
void NodePool::SetPasswords(std::map<std::string, std::string> passwords) { impl_->SetPasswords(std::move(passwords)); }
boost::asio::any_io_executor NodePool::executor() { return impl_->executor(); }
std::size_t NodePool::open_connections() const { return impl_->open_connections(); }

}  // namespace warren::coordinator
