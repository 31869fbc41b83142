// Names, defaults and help of warren-gateway's options.
#include "proxy/gateway/options.h"

#include <algorithm>
#include <thread>

#include "shardmgr/program/instance.h"
#include "shardmgr/program/settings.h"

namespace warren::gateway {
namespace {

using program::OptionKind;

constexpr int kMostThreadsByDefault = 4;
constexpr std::size_t kLeastConnectionMemory = 64 * 1024;

void AddBehaviour(program::OptionSet& set) {
  set.Add({.name = "consume",
           .placeholder = "all|one",
           .default_value = "all",
           .help = "What a consumer of a stream gets of its node's shards: all of them, or one (as the plugin did).",
           .choices = {"all", "one"}});
  set.Add({.name = "declare",
           .placeholder = "refuse|accept",
           .default_value = "refuse",
           .help = "queue.declare of a stream's name: 406, or declare-ok for clients that always declare.",
           .choices = {"refuse", "accept"}});
  set.Add({.name = "purge",
           .placeholder = "refuse|accept",
           .default_value = "refuse",
           .help = "queue.purge of a stream's name: 406, or every shard is purged.",
           .choices = {"refuse", "accept"}});
  set.Add({.name = "refresh",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "5s",
           .help = "Longest pause between two looks at streams and shards.",
           .minimum = 100});
  set.Add({.name = "instance", .placeholder = "NAME", .help = "Unique name of this gateway; made up when not given."});
}

void AddLimits(program::OptionSet& set) {
  set.Add({.name = "threads",
           .kind = OptionKind::kInteger,
           .placeholder = "N",
           .default_value = "0",
           .help = "I/O threads that clients are spread over; 0: one for two cores, at most 4.",
           .maximum = 256});
  set.Add({.name = "max-connections",
           .kind = OptionKind::kInteger,
           .placeholder = "N",
           .default_value = "10000",
           .help = "Of clients at a time; more wait to be accepted.",
           .minimum = 1,
           .maximum = 1'000'000});
  set.Add({.name = "max-channels",
           .kind = OptionKind::kInteger,
           .placeholder = "N",
           .default_value = "0",
           .help = "Offered to each client; 0: as many as the broker offers.",
           .maximum = 65'535});
  set.Add({.name = "max-connection-memory",
           .kind = OptionKind::kSize,
           .placeholder = "SIZE",
           .default_value = "4MiB",
           .help = "What the gateway remembers of one client's channels and consumers; then 506.",
           .minimum = static_cast<std::int64_t>(kLeastConnectionMemory)});
  set.Add({.name = "handshake-timeout",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "10s",
           .help = "From a client's connection to connection.open-ok; then it is closed.",
           .minimum = 1});
  set.Add({.name = "drain-timeout",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "5s",
           .help = "After SIGTERM, for clients to answer connection.close."});
}

int ThreadsOf(std::int64_t given) {
  if (given > 0) return static_cast<int>(given);
  // Beside a broker, which has the rest. With fewer threads each wakes up less often, for more.
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 2, 1, kMostThreadsByDefault);
}

const amqp::Endpoint* Repeated(const std::vector<amqp::Endpoint>& nodes) {
  for (auto node = nodes.begin(); node != nodes.end(); ++node) {
    if (std::find(nodes.begin(), node, *node) != node) return &*node;
  }
  return nullptr;
}

}  // namespace

program::OptionSet MakeOptionSet() {
  program::OptionSet set(
      "warren-gateway", "[OPTIONS]",
      "Lets unmodified AMQP 0-9-1 clients consume a sharded RabbitMQ exchange as if it were a queue.");
  set.Take(program::kManagementOption | program::kNodeOption | program::kCredentialOptions | program::kVhostOption |
           program::kLogOptions | program::kTlsOption);
  set.Listen("127.0.0.1:5670", "where AMQP clients connect").MetricsListen("127.0.0.1:15684");
  AddBehaviour(set);
  AddLimits(set);
  return set;
}

Result<GatewayOptions> ReadOptions(const program::Parsed& parsed) {
  Result<amqp::Credentials> credentials = program::ReadCredentials(parsed);
  if (!credentials) return tl::unexpected(std::move(credentials.error()));
  GatewayOptions options;
  options.listen = parsed.ListenAddress("listen");
  options.metrics_listen = parsed.ListenAddress("metrics-listen");
  options.threads = ThreadsOf(parsed.Integer("threads"));
  DeskOptions& desk = options.desk;
  desk.nodes = parsed.Endpoints("node");
  if (const auto* node = Repeated(desk.nodes)) {
    return Fail(ErrorCode::kConfiguration, "names " + node->ToString() + " twice; each node is given once",
                parsed.Origin("node"));
  }
  desk.credentials = *credentials;
  desk.vhost = parsed.Text("vhost");
  desk.tls_ca_file = parsed.Text("tls-ca-file");
  desk.management.urls = parsed.List("management");
  desk.management.user = credentials->user;
  desk.management.password = credentials->password;
  desk.management.tls_ca_file = desk.tls_ca_file;
  desk.management.timeout = std::chrono::seconds(5);
  desk.instance = parsed.Has("instance") ? parsed.Text("instance") : program::MakeInstance();
  desk.consume = parsed.Text("consume") == "one" ? ConsumeMode::kOne : ConsumeMode::kAll;
  desk.refresh = parsed.Duration("refresh");
  options.conversation.accept_declare = parsed.Text("declare") == "accept";
  options.conversation.accept_purge = parsed.Text("purge") == "accept";
  options.conversation.max_channels = static_cast<std::uint16_t>(parsed.Integer("max-channels"));
  options.conversation.max_memory_bytes = parsed.Bytes("max-connection-memory");
  options.max_connections = static_cast<std::size_t>(parsed.Integer("max-connections"));
  options.handshake_timeout = parsed.Duration("handshake-timeout");
  options.drain_timeout = parsed.Duration("drain-timeout");
  return options;
}

}  // namespace warren::gateway
