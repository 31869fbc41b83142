// Options of warren-proxy; see the header.
#include "proxy/http/options.h"

#include "shardmgr/program/instance.h"
#include "shardmgr/program/settings.h"

namespace warren::proxy {
namespace {

using program::Option;
using program::OptionKind;

void AddLimits(program::OptionSet& set) {
  const auto add = [&set](const char* name, OptionKind kind, const char* value, const char* help,
                          std::int64_t maximum = std::numeric_limits<std::int64_t>::max()) {
    Option option;
    option.name = name;
    option.kind = kind;
    option.placeholder = kind == OptionKind::kSize ? "SIZE" : kind == OptionKind::kDuration ? "DURATION" : "N";
    option.default_value = value;
    option.help = help;
    option.minimum = 1;
    option.maximum = kind == OptionKind::kInteger ? 1'000'000 : maximum;
    set.Add(option);
  };
  add("timeout", OptionKind::kDuration, "30s", "from the whole request to its answer; then 504");
  add("header-timeout", OptionKind::kDuration, "10s", "for a request's head to arrive; then 408");
  add("body-timeout", OptionKind::kDuration, "30s", "between two pieces of a request's body; then 408");
  add("idle-timeout", OptionKind::kDuration, "60s", "of a connection without requests");
  add("drain-timeout", OptionKind::kDuration, "30s", "after SIGTERM, for requests in flight");
  add("max-header-bytes", OptionKind::kSize, "16KiB", "of a request's head; then 431 (414: request line)");
  add("max-body-bytes", OptionKind::kSize, "16MiB", "of a request's body; then 413",
      static_cast<std::int64_t>(amqp::kMaxMessageBytes));
  add("max-bytes", OptionKind::kSize, "1GiB", "of all request and response bodies in flight; then 503");
  add("max-connections", OptionKind::kInteger, "10000", "of clients at a time; more wait to be accepted");
  add("max-requests", OptionKind::kInteger, "10000", "in flight at a time; then 503");
}

Result<void> CheckLimits(const ProxyOptions& options) {
  // All headers together have to fit one AMQP frame (128 KiB less a reserve), with their table framing.
  if (options.max_head_bytes < 1'024 || options.max_head_bytes > 65'536) {
    return Fail(ErrorCode::kConfiguration, "must be between 1KiB and 64KiB", "--max-header-bytes");
  }
  if (options.max_body_bytes > options.max_bytes) {
    return Fail(ErrorCode::kConfiguration, "must not be more than --max-bytes", "--max-body-bytes");
  }
  if (options.exchange.empty() || options.exchange.size() > 255) {
    return Fail(ErrorCode::kConfiguration, "must be the name of an exchange (1 to 255 bytes)", "--exchange");
  }
  return {};
}

}  // namespace

program::OptionSet MakeOptionSet() {
  program::OptionSet set("warren-proxy", "--exchange NAME [OPTIONS]",
                         "Takes HTTP requests and carries them through a sharded RabbitMQ exchange to workers.");
  set.Take(program::kManagementOption | program::kNodeOption | program::kCredentialOptions | program::kVhostOption |
           program::kLogOptions | program::kTlsOption);
  set.Listen("127.0.0.1:8080", "where HTTP clients connect").MetricsListen("127.0.0.1:15682");
  Option option;
  option = {};
  option.name = "exchange", option.placeholder = "NAME", option.required = true;
  option.help = "the sharded exchange that requests are published to";
  set.Add(option);
  option = {};
  option.name = "threads", option.kind = OptionKind::kInteger, option.placeholder = "N", option.default_value = "1";
  option.minimum = 1, option.maximum = 256, option.help = "I/O threads, each with connections of its own";
  set.Add(option);
  option = {};
  option.name = "hash-on", option.placeholder = "KEY", option.default_value = "random";
  option.help = "what the routing key is made of: random, path, client-addr, header:NAME, cookie:NAME";
  set.Add(option);
  option = {};
  option.name = "no-consumers", option.placeholder = "hold|fail", option.default_value = "hold";
  option.choices = {"hold", "fail"}, option.help = "when no shard has a consumer: wait for one, or answer 503";
  set.Add(option);
  option = {};
  option.name = "access-log", option.placeholder = "off|-|FILE", option.default_value = "off";
  option.help = "a line for each request, in --log-format: nowhere, to standard output, to a file";
  set.Add(option);
  option = {};
  option.name = "expose-origin", option.kind = OptionKind::kFlag;
  option.help = "answers carry Warren-Node, Warren-Shard and Warren-Worker";
  set.Add(option);
  option = {};
  option.name = "trust-forwarded", option.kind = OptionKind::kFlag;
  option.help = "keep X-Forwarded-* of the client and add to it (behind another proxy)";
  set.Add(option);
  AddLimits(set);
  return set;
}

Result<ProxyOptions> ReadOptions(const program::Parsed& parsed) {
  ProxyOptions options;
  auto hash_on = ParseHashOn(parsed.Text("hash-on"));
  if (!hash_on) return tl::unexpected(hash_on.error().Within(parsed.Origin("hash-on")));
  auto credentials = program::ReadCredentials(parsed);
  if (!credentials) return tl::unexpected(credentials.error());
  options.hash_on = std::move(*hash_on);
  options.exchange = parsed.Text("exchange");
  options.listen = parsed.ListenAddress("listen");
  options.metrics_listen = parsed.ListenAddress("metrics-listen");
  options.threads = static_cast<int>(parsed.Integer("threads"));
  options.nodes = parsed.Endpoints("node");
  options.connection.credentials = std::move(*credentials);
  options.connection.vhost = parsed.Text("vhost");
  options.connection.tls_ca_file = parsed.Text("tls-ca-file");
  options.management_urls = parsed.List("management");
  options.fail_without_consumers = parsed.Text("no-consumers") == "fail";
  options.expose_origin = parsed.Flag("expose-origin");
  options.trust_forwarded = parsed.Flag("trust-forwarded");
  options.access_log = parsed.Text("access-log");
  options.access_log_json = parsed.Text("log-format") == "json";
  options.instance = program::MakeInstance();
  options.max_body_bytes = parsed.Bytes("max-body-bytes");
  options.max_head_bytes = parsed.Bytes("max-header-bytes");
  options.max_bytes = parsed.Bytes("max-bytes");
  options.max_connections = static_cast<std::size_t>(parsed.Integer("max-connections"));
  options.max_requests = static_cast<std::size_t>(parsed.Integer("max-requests"));
  options.timeout = parsed.Duration("timeout");
  options.head_timeout = parsed.Duration("header-timeout");
  options.body_timeout = parsed.Duration("body-timeout");
  options.idle_timeout = parsed.Duration("idle-timeout");
  options.drain_timeout = parsed.Duration("drain-timeout");
  if (auto checked = CheckLimits(options); !checked) return tl::unexpected(checked.error());
  return options;
}

}  // namespace warren::proxy
