// HTTP through cpprestsdk: builds its requests, bounds their time and size, names its failures.
//
// cpprestsdk runs its sockets on a thread pool that the whole process shares; it gets few threads
// here, since its default of forty buys nothing. Its timeout starts again with every piece that
// arrives, therefore the deadline is kept here as well. Its progress handler is called as bytes
// arrive, before they are stored, so the limit on the body is enforced there.
#include "shardmgr/broker/management/transport.h"

#include <cpprest/http_client.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>

namespace warren::management {
namespace {

using web::http::client::http_client;
using web::http::client::http_client_config;

constexpr std::size_t kPoolThreads = 4;

void InitializePool() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      crossplat::threadpool::initialize_with_threads(kPoolThreads);
    } catch (const std::exception&) {
      // Another part of the process has started the pool already: it is shared then.
    }
  });
}

struct Endpoint {
  std::string url;             ///< For messages: without what may be a password.
  std::optional<Error> error;  ///< Why this URL cannot be used.
  std::unique_ptr<http_client> client;
};

std::optional<Error> CheckUrl(const std::string& url) {
  const auto wrong = [&url](const std::string& why) {
    const std::size_t at = url.rfind('@');  // What stands before it may be a password.
    return Error{ErrorCode::kConfiguration,
                 "'" + (at == std::string::npos ? url : "…" + url.substr(at)) + "' is no management URL: " + why +
                     "; write it as http://HOST:15672",
                 {}};
  };
  if (!web::uri::validate(url)) return wrong("it is not a URL");
  const web::uri parsed(url);
  if (parsed.scheme() != "http" && parsed.scheme() != "https") return wrong("it has to begin with http:// or https://");
  if (parsed.host().empty()) return wrong("it names no host");
  if (!parsed.user_info().empty()) {
    return Error{ErrorCode::kConfiguration,
                 "a management URL may hold no user name or password; use --user and --password-file",
                 {}};
  }
  if (!parsed.query().empty() || !parsed.fragment().empty()) return wrong("it may have no query and no fragment");
  return std::nullopt;
}

Endpoint MakeEndpoint(const std::string& url, const ClientOptions& options) {
  const std::size_t at = url.find('@');
  const std::size_t slashes = url.find("//");
  const bool secret = at != std::string::npos && slashes != std::string::npos;
  Endpoint endpoint{secret ? url.substr(0, slashes + 2) + "…" + url.substr(at) : url, CheckUrl(url), nullptr};
  if (endpoint.error) return endpoint;
  http_client_config config;
  config.set_timeout(options.timeout);
  config.set_max_redirects(0);
  const std::string ca_file = options.tls_ca_file;
  if (!ca_file.empty()) {
    if (access(ca_file.c_str(), R_OK) != 0) {
      endpoint.error = Error{ErrorCode::kConfiguration, "the file of TLS authorities cannot be read", ca_file};
      return endpoint;
    }
    config.set_ssl_context_callback([ca_file](boost::asio::ssl::context& context) {
      // cpprestsdk has added the system's authorities; these are to be the only ones.
      SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
      boost::system::error_code failed;
      context.load_verify_file(ca_file, failed);  // A file without certificates: the handshake fails and says so.
    });
  }
  try {
    endpoint.client = std::make_unique<http_client>(web::uri(url), config);
  } catch (const std::exception& failure) {
    endpoint.error = Error{ErrorCode::kConfiguration, std::string("unusable management URL: ") + failure.what(), {}};
  }
  return endpoint;
}

/// How far one exchange got, for the words of its failure.
struct Progress {
  std::atomic<bool> answered{false};  ///< Status and header fields are there.
  std::atomic<bool> too_long{false};
};

std::string Seconds(std::chrono::milliseconds time) {
  std::string text = std::to_string(static_cast<double>(time.count()) / 1000.0);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text + " s";
}

Error TimedOut(std::chrono::milliseconds timeout, bool answered) {
  return {ErrorCode::kTimeout,
          std::string(answered ? "the answer was not complete" : "there was no answer") + " within " +
              Seconds(timeout) + "; see whether the broker is overloaded or a firewall drops packets",
          {}};
}

Error Cancelled() { return {ErrorCode::kUnavailable, "given up, since the program ends", {}}; }

Error NamedFailure(const web::http::http_exception& failure, const Progress& progress, const ClientOptions& options) {
  const std::string words = failure.what();
  const auto says = [&words](std::string_view part) { return words.find(part) != std::string::npos; };
  if (progress.too_long) {
    return {ErrorCode::kProtocol,
            "the answer is longer than " + std::to_string(options.max_body_bytes) + " bytes, which is the limit",
            {}};
  }
  if (failure.error_code() == std::errc::timed_out) return TimedOut(options.timeout, progress.answered);
  if (says("resolving address")) {
    return {ErrorCode::kUnavailable, "the host name cannot be resolved; check its spelling and the DNS", {}};
  }
  if (says("Failed to connect")) {
    return {ErrorCode::kUnavailable,
            "the connection was refused, or the host cannot be reached; start RabbitMQ there with the management "
            "plugin (rabbitmq-plugins enable rabbitmq_management), or give the right --management URL",
            {}};
  }
  if (says("SSL handshake") &&
      ERR_GET_REASON(static_cast<unsigned long>(failure.error_code().value())) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    return {
        ErrorCode::kUnavailable,
        "the TLS certificate is refused: it is not for this host, or signed by an authority that is not trusted; give "
        "a host name that it holds, and its authority with --tls-ca-file",
        {}};
  }
  if (says("SSL handshake")) return {ErrorCode::kUnavailable, "the TLS handshake failed; is this a TLS port?", {}};
  if (progress.answered) {
    return {ErrorCode::kUnavailable,
            "the connection was closed in the middle of the answer; see the broker's log, and what stands between",
            {}};
  }
  return {
      ErrorCode::kUnavailable,
      "the connection was closed without an HTTP answer; see whether this is the management listener (by default port "
      "15672), and what stands between",
      {}};
}

/// Any failure that cpprestsdk throws, as an Error.
Error FailureOf(const std::exception_ptr& thrown, const Progress& progress, const ClientOptions& options) {
  try {
    std::rethrow_exception(thrown);
  } catch (const web::http::http_exception& failure) {
    return NamedFailure(failure, progress, options);
  } catch (const pplx::task_canceled&) {
    return TimedOut(options.timeout, progress.answered);
  } catch (const std::exception& failure) {
    if (progress.too_long) return NamedFailure(web::http::http_exception(failure.what()), progress, options);
    return {ErrorCode::kUnavailable, std::string("the exchange failed: ") + failure.what(), {}};
  }
}

/// The end of one exchange, or of the wait for it.
class Ending {
 public:
  /// The first one counts. `over`: the exchange itself has ended.
  void Set(Result<Answer> result, bool over) {
    const std::lock_guard lock(mutex_);
    if (!result_) result_ = std::move(result);
    over_ = over_ || over;
    come_.notify_one();
  }
  /// Nothing: it did not come within the time.
  std::optional<Result<Answer>> Wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    come_.wait_for(lock, time, [this] { return result_.has_value(); });
    return result_ ? std::move(result_) : std::nullopt;
  }
  bool over() const {
    const std::lock_guard lock(mutex_);
    return over_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable come_;
  std::optional<Result<Answer>> result_;
  bool over_ = false;
};

std::string Authorization(const ClientOptions& options) {
  if (!options.token.empty()) return "Bearer " + options.token;
  const std::string pair = options.user + ":" + options.password;
  return "Basic " + utility::conversions::to_base64(std::vector<unsigned char>(pair.begin(), pair.end()));
}

}  // namespace

struct Transport::Impl {
  ClientOptions options;
  std::string authorization;
  std::vector<Endpoint> endpoints;

  std::mutex mutex;  ///< For what follows.
  std::set<std::shared_ptr<Ending>> awaited;
  bool cancelled = false;

  /// False: nothing is awaited any more.
  bool Await(const std::shared_ptr<Ending>& ending) {
    const std::lock_guard lock(mutex);
    if (!cancelled) awaited.insert(ending);
    return !cancelled;
  }
  void Forget(const std::shared_ptr<Ending>& ending) {
    const std::lock_guard lock(mutex);
    awaited.erase(ending);
  }
};

Transport::Transport(const ClientOptions& options) : impl_(std::make_unique<Impl>()) {
  InitializePool();
  impl_->options = options;
  impl_->authorization = Authorization(options);
  for (const std::string& url : options.urls) impl_->endpoints.push_back(MakeEndpoint(url, options));
}

Transport::~Transport() = default;

std::size_t Transport::size() const { return impl_->endpoints.size(); }
const std::string& Transport::url(std::size_t index) const { return impl_->endpoints[index].url; }

void Transport::Cancel() const {
  const std::lock_guard lock(impl_->mutex);
  impl_->cancelled = true;
  for (const auto& ending : impl_->awaited) ending->Set(tl::unexpected(Cancelled()), false);
}

Result<Answer> Transport::Send(std::size_t index, const Request& request) const {
  const Endpoint& endpoint = impl_->endpoints[index];
  if (endpoint.error) return tl::unexpected(*endpoint.error);

  const auto progress = std::make_shared<Progress>();
  const std::size_t limit = impl_->options.max_body_bytes;
  web::http::http_request message(request.method);
  message.headers().add("Authorization", impl_->authorization);
  // A queue's contents, which can only be deleted, have no representation: 406 for those who insist on JSON.
  message.headers().add("Accept", request.method == "GET" ? "application/json" : "*/*");
  message.set_request_uri(web::uri(request.query.empty() ? request.path : request.path + "?" + request.query));
  if (!request.body.empty()) message.set_body(request.body, "application/json");
  message.set_progress_handler([progress, limit](web::http::message_direction::direction way, utility::size64_t bytes) {
    if (way != web::http::message_direction::download || bytes <= limit) return;
    progress->too_long = true;
    throw std::length_error("body limit");
  });

  // Shared with the continuation, which may outlive this call.
  const auto ending = std::make_shared<Ending>();
  if (!impl_->Await(ending)) return tl::unexpected(Cancelled());
  pplx::cancellation_token_source cancel;
  const auto options = std::make_shared<ClientOptions>(impl_->options);
  endpoint.client->request(message, cancel.get_token())
      .then([progress](web::http::http_response response) {
        progress->answered = true;
        Answer answer;
        answer.status = response.status_code();
        answer.content_type = response.headers().content_type();
        return response.extract_vector().then([answer](std::vector<unsigned char> body) mutable {
          answer.body.assign(body.begin(), body.end());
          return answer;
        });
      })
      .then([ending, progress, options](pplx::task<Answer> finished) {
        try {
          ending->Set(finished.get(), true);
        } catch (...) {
          ending->Set(tl::unexpected(FailureOf(std::current_exception(), *progress, *options)), true);
        }
      });
  auto result = ending->Wait(impl_->options.timeout);
  impl_->Forget(ending);
  if (!result) result = tl::unexpected(TimedOut(impl_->options.timeout, progress->answered));
  if (!ending->over()) cancel.cancel();
  return *std::move(result);
}

}  // namespace warren::management
