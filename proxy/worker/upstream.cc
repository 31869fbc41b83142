// Requests on their way through the addresses of an application.
#include "proxy/worker/upstream.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <utility>

#include "proxy/worker/shard_consumer.h"
#include "proxy/worker/upstream_target.h"
#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// One timer looks at all that is under way: precise enough, and none has to be set for each request.
constexpr std::chrono::milliseconds kSweepPause{50};
constexpr std::chrono::seconds kFairTime{5};  // For an application to answer in, unless its timeout is shorter.

std::chrono::milliseconds TimeLeft(const wire::Request& request, std::chrono::milliseconds longest) {
  if (request.deadline_ms <= 0) return longest;
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return std::clamp(std::chrono::milliseconds(request.deadline_ms) - now, std::chrono::milliseconds(1), longest);
}

class HttpUpstream;

// A request from Ask to its answer.
class Exchange final : public UpstreamConnection::User {
 public:
  Exchange(HttpUpstream& upstream, Responder taken) : responder(std::move(taken)), upstream_(upstream) {}
  void OnConnected(UpstreamConnection& connection, error_code error) override;
  void OnResult(UpstreamConnection& connection, ExchangeResult result) override;

  Responder responder;
  std::size_t index = 0;        // In the upstream's list.
  Clock::time_point end;        // For the whole.
  Clock::time_point state_end;  // For connecting, or for finding an address.
  Clock::time_point asked_at;   // When the request was sent.
  enum class State { kConnecting, kAsked, kNoAddress } state = State::kNoAddress;
  std::uint64_t tried = 0;  // Addresses that took no connection, as bits.
  bool fresh = false;       // Only a new connection will do.
  bool elsewhere = false;   // An application broke off, and another one is asked.
  UpstreamTarget* target = nullptr;
  std::shared_ptr<UpstreamConnection> connection;

 private:
  HttpUpstream& upstream_;
};

class HttpUpstream final : public Upstream {
 public:
  HttpUpstream(const asio::any_io_executor& executor, UpstreamOptions options, std::function<void(bool)> on_health,
               prometheus::Registry& registry)
      : options_(std::move(options)),
        on_health_(std::move(on_health)),
        sweeper_(executor),
        errors_(prometheus::BuildCounter()
                    .Name("warren_worker_upstream_errors_total")
                    .Help("Requests that the application gave no response to, by reason.")
                    .Register(registry)) {
    auto& fit = prometheus::BuildGauge()
                    .Name("warren_worker_upstream_healthy")
                    .Help("Whether requests are sent to this address of the application.")
                    .Register(registry);
    auto& connections = prometheus::BuildGauge()
                            .Name("warren_worker_upstream_connections")
                            .Help("Open connections to this address, kept ones included.")
                            .Register(registry);
    for (const UpstreamAddress& address : options_.addresses) {
      const prometheus::Labels labels = {{"upstream", address.authority}};
      targets_.emplace_back(
          executor, address, options_, [this] { OnFitness(); }, fit.Add(labels), connections.Add(labels));
    }
  }

  void Start() override {
    for (UpstreamTarget& target : targets_) target.Start();
  }

  void Ask(Responder responder) override {
    exchanges_.push_back(std::make_unique<Exchange>(*this, std::move(responder)));
    Exchange& exchange = *exchanges_.back();
    exchange.index = exchanges_.size() - 1;
    const Clock::time_point now = Clock::now();
    exchange.end = now + TimeLeft(exchange.responder.request(), options_.timeout);
    exchange.state_end = now + options_.connect_timeout;
    exchange.responder.OnCancel([this, &exchange] { GiveUp(exchange); });
    Try(exchange);
    if (!sweeping_) SweepLater();
  }

  void Stop() override {
    on_health_ = nullptr;
    sweeper_.cancel();
    for (const auto& exchange : exchanges_) {
      if (exchange->connection) exchange->connection->Close();
    }
    exchanges_.clear();
    for (UpstreamTarget& target : targets_) target.Stop();
  }

  void OnConnected(Exchange& exchange, error_code error) {
    exchange.target->NoteConnect(error);
    if (!error) return Send(exchange);
    Release(exchange, false);
    exchange.tried |= BitOf(*exchange.target);
    Try(exchange);
  }

  void OnResult(Exchange& exchange, ExchangeResult result) {
    UpstreamTarget& target = *exchange.target;
    Release(exchange, result.keep);
    if (result.outcome == ExchangeOutcome::kStale && exchange.responder.request().retry_safe && !exchange.fresh) {
      exchange.fresh = true;
      return Try(exchange);
    }
    const bool others = OthersFit(target);
    const bool broken = result.outcome == ExchangeOutcome::kBroken || result.outcome == ExchangeOutcome::kStale;
    target.NoteResult(!broken, others);
    if (result.outcome == ExchangeOutcome::kBroken && exchange.responder.request().retry_safe && others &&
        !std::exchange(exchange.elsewhere, true)) {
      exchange.tried |= BitOf(target);
      return Try(exchange);
    }
    switch (result.outcome) {
      case ExchangeOutcome::kAnswered: return Answer(exchange, std::move(result.response));
      case ExchangeOutcome::kTooLarge:
        Count("too-large");
        return Answer(exchange, PlainResponse(502, "The application's response is larger than " +
                                                       std::to_string(options_.max_body_bytes) + " bytes."));
      default:
        Count("broken");
        program::Log(program::LogLevel::kWarning, "no response from the application",
                     {{"upstream", target.address().authority}, {"detail", std::string(result.problem)}});
        return Answer(exchange, PlainResponse(502, "The application gave no complete response."));
    }
  }

 private:
  // The fit address with the fewest requests; where that is a tie, in turn. One that is not fit only when none is:
  // it may have come back since it was looked at.
  UpstreamTarget* Pick(std::uint64_t tried) {
    UpstreamTarget* best = nullptr;
    const std::size_t first = next_++;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      UpstreamTarget& each = targets_[(first + i) % targets_.size()];
      if ((tried & BitOf(each)) != 0) continue;
      const auto rank = [](const UpstreamTarget& target) { return std::pair(!target.is_fit(), target.in_use()); };
      if (best == nullptr || rank(each) < rank(*best)) best = &each;
    }
    return best;
  }

  void Try(Exchange& exchange) {
    UpstreamTarget* target = Pick(exchange.tried);
    if (target == nullptr) {
      exchange.state = Exchange::State::kNoAddress;
      return;
    }
    exchange.target = target;
    exchange.connection = exchange.fresh ? nullptr : target->TakeResting();
    if (exchange.connection) return Send(exchange);
    exchange.state = Exchange::State::kConnecting;
    exchange.state_end = Clock::now() + options_.connect_timeout;
    exchange.connection = target->Connect(exchange);
  }

  void Send(Exchange& exchange) {
    exchange.state = Exchange::State::kAsked;
    exchange.asked_at = Clock::now();
    const wire::Request& request = exchange.responder.request();
    std::string_view host = request.authority.empty() ? exchange.target->address().authority : request.authority;
    if (!options_.host_header.empty()) host = options_.host_header;
    exchange.connection->Send(request, host, options_.max_body_bytes, exchange);
  }

  void Release(Exchange& exchange, bool keep) {
    if (const auto connection = std::exchange(exchange.connection, nullptr)) {
      exchange.target->GiveBack(connection, keep);
    }
  }

  Responder Remove(Exchange& exchange) {
    Release(exchange, false);
    Responder responder = std::move(exchange.responder);
    const std::size_t index = exchange.index;
    exchanges_.back()->index = index;
    std::swap(exchanges_[index], exchanges_.back());
    exchanges_.pop_back();
    return responder;
  }

  // The answer may bring the next request in here.
  void Answer(Exchange& exchange, wire::Response response) { Remove(exchange).AnswerHere(std::move(response)); }

  void GiveUp(Exchange& exchange) {
    Count("cancelled");
    Answer(exchange, PlainResponse(502, "Nobody waits for the answer any more."));
  }

  void SweepLater() {
    sweeping_ = true;
    sweeper_.expires_after(kSweepPause);
    sweeper_.async_wait([this, self = shared_from_this()](error_code error) {
      if (error) return;
      sweeping_ = false;
      Sweep();
      if (!exchanges_.empty() && !sweeping_) SweepLater();
    });
  }

  // From the back: an exchange that ends is replaced by the last, which was looked at already.
  void Sweep() {
    const Clock::time_point now = Clock::now();
    for (std::size_t i = exchanges_.size(); i-- > 0;) {
      if (i < exchanges_.size()) SweepOne(*exchanges_[i], now);
    }
  }

  void SweepOne(Exchange& exchange, Clock::time_point now) {
    if (now >= exchange.end) {
      Count("timeout");
      // Not the fault of an address that was given next to no time.
      const bool had_time = now - exchange.asked_at >= std::min<Clock::duration>(options_.timeout, kFairTime);
      if (exchange.state == Exchange::State::kAsked && had_time) {
        exchange.target->NoteResult(false, OthersFit(*exchange.target));
      }
      return Answer(exchange, PlainResponse(504, "The application did not answer in time."));
    }
    if (exchange.state == Exchange::State::kConnecting && now >= exchange.state_end) {
      exchange.connection->Close();
      return OnConnected(exchange, asio::error::timed_out);
    }
    if (exchange.state != Exchange::State::kNoAddress) return;
    if (any_fit_) {
      exchange.tried = 0;
      return Try(exchange);
    }
    if (now < exchange.state_end) return;
    Count("connect");
    Answer(exchange, PlainResponse(502, "The application cannot be reached."));
  }

  bool OthersFit(const UpstreamTarget& target) const {
    return std::any_of(targets_.begin(), targets_.end(),
                       [&](const UpstreamTarget& each) { return &each != &target && each.is_fit(); });
  }

  std::uint64_t BitOf(const UpstreamTarget& target) const {
    const auto place =
        std::find_if(targets_.begin(), targets_.end(), [&](const auto& each) { return &each == &target; });
    return std::uint64_t{1} << (place - targets_.begin());
  }

  void OnFitness() {
    const bool any = std::any_of(targets_.begin(), targets_.end(), [](const auto& each) { return each.is_fit(); });
    if (any == any_fit_) return;
    any_fit_ = any;
    if (on_health_) on_health_(any);
  }

  void Count(const char* reason) { errors_.Add({{"reason", reason}}).Increment(); }

  UpstreamOptions options_;
  std::function<void(bool)> on_health_;
  asio::steady_timer sweeper_;
  bool sweeping_ = false;
  prometheus::Family<prometheus::Counter>& errors_;
  std::deque<UpstreamTarget> targets_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::size_t next_ = 0;
  bool any_fit_ = false;
};

void Exchange::OnConnected(UpstreamConnection& /*connection*/, error_code error) {
  upstream_.OnConnected(*this, error);
}

void Exchange::OnResult(UpstreamConnection& /*connection*/, ExchangeResult result) {
  upstream_.OnResult(*this, std::move(result));
}

}  // namespace

std::shared_ptr<Upstream> Upstream::Make(boost::asio::any_io_executor executor, UpstreamOptions options,
                                         std::function<void(bool)> on_health, prometheus::Registry& registry) {
  return std::make_shared<HttpUpstream>(executor, std::move(options), std::move(on_health), registry);
}

}  // namespace warren::worker
