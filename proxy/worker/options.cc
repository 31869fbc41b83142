// Names, defaults and help of warren-worker's options.
#include "proxy/worker/options.h"

#include "shardmgr/program/settings.h"

namespace warren::worker {

using program::OptionKind;

namespace {

void AddUpstreamOptions(program::OptionSet& set) {
  set.Add({.name = "upstream-timeout",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "30s",
           .help = "Longest wait for the application's response to one request."});
  set.Add({.name = "upstream-idle-timeout",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "4s",
           .help = "A connection to the application that is unused for longer is closed: keep it below the time "
                   "after which the application closes it."});
  set.Add({.name = "max-body-bytes",
           .kind = OptionKind::kSize,
           .placeholder = "SIZE",
           .default_value = "16MiB",
           .help = "Longest response body; a longer one is answered 502."});
  set.Add({.name = "host-header",
           .placeholder = "HOST",
           .help = "Host field for the application, instead of the one the client sent."});
  set.Add({.name = "health-path",
           .placeholder = "PATH",
           .help = "Asked with GET each second; below 400 is healthy. Without it, connecting is enough."});
}

}  // namespace

program::OptionSet MakeOptionSet() {
  program::OptionSet set(
      "warren-worker", "--stream EXCHANGE --upstream URL [OPTIONS]",
      "Takes HTTP requests from the shards of a stream and asks an HTTP application to answer them.");
  set.Take(program::kManagementOption | program::kNodeOption | program::kCredentialOptions | program::kVhostOption |
           program::kLogOptions | program::kTlsOption);
  set.MetricsListen("127.0.0.1:15683");
  set.Add({.name = "stream", .placeholder = "EXCHANGE", .help = "The sharded exchange to serve.", .required = true});
  set.Add({.name = "upstream",
           .kind = OptionKind::kHttpUrl,
           .placeholder = "URL",
           .help = "The application, as http://HOST:PORT; repeatable: the one with the fewest requests is asked.",
           .repeatable = true,
           .required = true});
  set.Add({.name = "concurrency",
           .kind = OptionKind::kInteger,
           .placeholder = "N",
           .default_value = "16",
           .help = "Requests worked on at once, over all shards.",
           .minimum = 1,
           .maximum = 65'535});
  set.Add({.name = "local-node",
           .placeholder = "NAME",
           .help =
               "Name of the broker node at --node, for when no coordinator says what to consume. Without --management "
               "beside it, the management API is not used then."});
  set.Add({.name = "instance", .placeholder = "NAME", .help = "Unique name of this worker; made up when not given."});
  set.Add({.name = "refresh",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "1s",
           .help = "While no coordinator says what to consume: pause between looks at who consumes which shard."});
  set.Add(
      {.name = "yield-every",
       .kind = OptionKind::kDuration,
       .placeholder = "DURATION",
       .default_value = "5m",
       .help =
           "Without a coordinator and the management API: how often an idle shard is let go of for 20 s, or until it "
           "gets a message, so that a drained one can be deleted. At least 30s, or 0 for never."});
  set.Add({.name = "accept-after",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "250ms",
           .help = "After this much work on a request the proxy is told where to cancel it when its client goes "
                   "away; 0: never."});
  set.Add({.name = "drain-timeout",
           .kind = OptionKind::kDuration,
           .placeholder = "DURATION",
           .default_value = "30s",
           .help = "Longest wait for requests under way after the first SIGTERM."});
  AddUpstreamOptions(set);
  return set;
}

Result<ProgramOptions> ReadOptions(const program::Parsed& parsed) {
  Result<amqp::Credentials> credentials = program::ReadCredentials(parsed);
  if (!credentials) return tl::unexpected(std::move(credentials.error()));
  ProgramOptions options;
  options.worker.stream = parsed.Text("stream");
  options.worker.vhost = parsed.Text("vhost");
  options.worker.nodes = parsed.Endpoints("node");
  options.worker.credentials = *credentials;
  options.worker.tls_ca_file = parsed.Text("tls-ca-file");
  options.worker.local_node = parsed.Text("local-node");
  options.worker.use_management = options.worker.local_node.empty() || parsed.Given("management");
  options.worker.management.urls = parsed.List("management");
  options.worker.management.user = credentials->user;
  options.worker.management.password = credentials->password;
  options.worker.management.tls_ca_file = options.worker.tls_ca_file;
  options.worker.management.timeout = std::chrono::seconds(3);
  options.worker.instance = parsed.Text("instance");
  options.worker.concurrency = static_cast<unsigned>(parsed.Integer("concurrency"));
  options.worker.refresh = parsed.Duration("refresh");
  options.worker.accept_after = parsed.Duration("accept-after");
  options.worker.yield_every = parsed.Duration("yield-every");
  if (options.worker.yield_every.count() != 0 && options.worker.yield_every < std::chrono::seconds(30)) {
    return Fail(ErrorCode::kConfiguration, "must be 0 or at least 30s", parsed.Origin("yield-every"));
  }
  for (const std::string& url : parsed.List("upstream")) {
    Result<UpstreamAddress> address = ParseUpstream(url);
    if (!address) return tl::unexpected(address.error().Within(parsed.Origin("upstream")));
    options.upstream.addresses.push_back(std::move(*address));
  }
  options.upstream.host_header = parsed.Text("host-header");
  options.upstream.health_path = parsed.Text("health-path");
  if (!options.upstream.host_header.empty() && !wire::IsTarget(options.upstream.host_header)) {
    return Fail(ErrorCode::kConfiguration, "must be HOST or HOST:PORT", parsed.Origin("host-header"));
  }
  if (!options.upstream.health_path.empty() &&
      (!wire::IsTarget(options.upstream.health_path) || options.upstream.health_path.front() != '/')) {
    return Fail(ErrorCode::kConfiguration, "must be a path that begins with /", parsed.Origin("health-path"));
  }
  if (options.upstream.addresses.size() > kMaxUpstreams) {
    return Fail(ErrorCode::kConfiguration, "at most " + std::to_string(kMaxUpstreams) + " can be given",
                parsed.Origin("upstream"));
  }
  options.upstream.max_resting = options.worker.concurrency;
  options.upstream.idle_timeout = parsed.Duration("upstream-idle-timeout");
  options.upstream.timeout = parsed.Duration("upstream-timeout");
  options.upstream.max_body_bytes = parsed.Bytes("max-body-bytes");
  options.metrics_listen = parsed.ListenAddress("metrics-listen");
  options.drain_timeout = parsed.Duration("drain-timeout");
  return options;
}

Result<UpstreamAddress> ParseUpstream(std::string_view url) {
  const auto fail = [&](const char* why) {
    return Fail(ErrorCode::kConfiguration, std::string("must be http://HOST[:PORT], ") + why, std::string(url));
  };
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return fail("and nothing but http is supported");
  std::string_view rest = url.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.empty() || rest.find_first_of("/?#@") != std::string_view::npos) return fail("without user or path");
  UpstreamAddress address;
  address.authority = rest;
  const std::size_t bracket = rest.find(']');
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  address.host = rest.substr(0, has_port ? colon : rest.size());
  address.port = has_port ? rest.substr(colon + 1) : "80";
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  const bool digits = address.port.find_first_not_of("0123456789") == std::string::npos;
  if (address.host.empty() || !wire::IsTarget(address.host)) return fail("and the host is missing");
  if (address.port.empty() || !digits || address.port.size() > 5 || std::stoi(address.port) > 65'535 ||
      std::stoi(address.port) == 0) {
    return fail("with a port from 1 to 65535");
  }
  return address;
}

}  // namespace warren::worker
