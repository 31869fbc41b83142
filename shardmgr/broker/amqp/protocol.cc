// Handshake, tuning, heartbeats, blocking, closing, and frames on their way to channels.
#include "shardmgr/broker/amqp/protocol.h"

#include <algorithm>

#include "shardmgr/broker/amqp/channel_state.h"

namespace warren::amqp {
namespace {

constexpr std::string_view kProtocolHeader{"AMQP\0\0\x09\x01", 8};
constexpr std::uint32_t kSmallestFrameMax = 4'096;  // Section 4.2.3: frame-min-size.

// What a reply code of connection.close means to whoever wanted the connection (section 1.2 of the
// reference, and RabbitMQ's authentication_failure_close).
ErrorCode CodeOfClose(std::uint16_t reply_code) {
  switch (reply_code) {
    case AMQP_CONNECTION_FORCED: return ErrorCode::kUnavailable;
    case AMQP_ACCESS_REFUSED: return ErrorCode::kUnauthorized;
    case AMQP_INVALID_PATH: return ErrorCode::kNotFound;
    case AMQP_NOT_ALLOWED: return ErrorCode::kForbidden;
    default: return ErrorCode::kProtocol;
  }
}

// What a user can do about a connection that was refused before it was open.
std::string Remedy(std::uint16_t reply_code) {
  switch (reply_code) {
    case AMQP_ACCESS_REFUSED: return "; check --user and --password-file (or WARREN_PASSWORD)";
    case AMQP_NOT_ALLOWED: return "; check --vhost, and that the user has permissions in it";
    default: return {};
  }
}

Table ClientProperties(const ConnectionOptions& options) {
  Table capabilities;
  for (const char* name : {"publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked",
                           "authentication_failure_close", "exchange_exchange_bindings"}) {
    capabilities.Set(name, true);
  }
  Table properties;
  properties.Set("product", "Warren").Set("version", WARREN_VERSION).Set("platform", "C++");
  if (!options.name.empty()) properties.Set("connection_name", options.name);
  properties.Set("capabilities", capabilities);
  return properties;
}

std::uint32_t Smaller(std::uint32_t ours, std::uint32_t theirs) {
  if (ours == 0 || theirs == 0) return std::max(ours, theirs);  // 0 means no limit.
  return std::min(ours, theirs);
}

}  // namespace

Protocol::Protocol(ConnectionOptions options, Events events)
    : options_(std::move(options)),
      events_(std::move(events)),
      frame_max_(std::max(options_.frame_max, kSmallestFrameMax)),
      channel_max_(options_.channel_max),
      channels_(1) {}

Protocol::~Protocol() { Forget(); }

std::string Protocol::Where() const {
  const std::string name = options_.name.empty() ? "connection" : "connection '" + options_.name + "'";
  return name + " to " + options_.endpoint.ToString();
}

void Protocol::Start(Time now) {
  started_ = true;
  last_received_ = last_sent_ = now;
  output_.append(kProtocolHeader);
  events_.on_output();
}

std::size_t Protocol::Feed(std::string_view bytes, Time now) {
  last_received_ = now;
  std::size_t taken = 0;
  while (state_ != State::kOver) {
    const std::string_view rest = bytes.substr(taken);
    if (!greeted_ && !rest.empty() && rest[0] != static_cast<char>(FrameType::kMethod)) {
      End(ForeignGreeting(rest));
      break;
    }
    Result<std::optional<Frame>> frame = SplitFrame(rest, frame_max_);
    if (frame && !*frame) break;
    Result<void> handled;
    if (frame) {
      greeted_ = true;
      taken += FrameBytes(**frame);
      handled = OnFrame(**frame);
    } else {
      handled = tl::unexpected(frame.error());
    }
    if (!handled) End(handled.error().Within(Where()));
  }
  return state_ == State::kOver ? bytes.size() : taken;
}

// A broker that wants another version answers with its own protocol header; anything else is not a broker.
Error Protocol::ForeignGreeting(std::string_view bytes) const {
  std::string shown;
  for (const char c : bytes.substr(0, 16)) shown.push_back(c >= 0x20 && c < 0x7F ? c : '.');
  if (bytes.substr(0, 4) == "AMQP") {
    return {ErrorCode::kProtocol, "the broker does not speak AMQP 0-9-1 here", Where()};
  }
  return {ErrorCode::kProtocol, "no greeting came but '" + shown + "': is this an AMQP port, and one without TLS?",
          Where()};
}

Result<void> Protocol::OnFrame(const Frame& frame) {
  if (frame.type == FrameType::kHeartbeat) return {};
  if (frame.channel == 0) {
    if (frame.type != FrameType::kMethod) return warren::Fail(ErrorCode::kProtocol, "content on channel 0");
    pool_.Recycle();
    const Result<Method> method = DecodeMethod(frame.payload, pool_);
    if (!method) return tl::unexpected(method.error());
    return OnConnectionMethod(*method);
  }
  if (state_ == State::kClosing) return {};
  if (frame.channel >= channels_.size() || !channels_[frame.channel]) {
    return warren::Fail(ErrorCode::kProtocol,
                        "frame on channel " + std::to_string(frame.channel) + ", which is not open");
  }
  const std::shared_ptr<ChannelState> channel = channels_[frame.channel];  // May be released meanwhile.
  return channel->OnFrame(frame);
}

Result<void> Protocol::OnConnectionMethod(const Method& method) {
  switch (method.id) {
    case AMQP_CONNECTION_START_METHOD: return OnStart(method.As<amqp_connection_start_t>());
    case AMQP_CONNECTION_TUNE_METHOD: return OnTune(method.As<amqp_connection_tune_t>());
    case AMQP_CONNECTION_OPEN_OK_METHOD:
      if (state_ != State::kHandshake) break;
      state_ = State::kOpen;
      events_.on_open();
      return {};
    case AMQP_CONNECTION_CLOSE_METHOD: OnServerClose(method.As<amqp_connection_close_t>()); return {};
    case AMQP_CONNECTION_CLOSE_OK_METHOD: End({ErrorCode::kUnavailable, "closed by us", Where()}); return {};
    case AMQP_CONNECTION_BLOCKED_METHOD:
      blocked_ = true;
      events_.on_blocked(true, View(method.As<amqp_connection_blocked_t>().reason));
      return {};
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
      blocked_ = false;
      events_.on_blocked(false, {});
      return {};
    default: break;
  }
  return warren::Fail(ErrorCode::kProtocol, "the broker sent a connection method out of order");
}

Result<void> Protocol::OnStart(const amqp_connection_start_t& start) {
  const std::string mechanisms = " " + std::string(View(start.mechanisms)) + " ";
  if (mechanisms.find(" PLAIN ") == std::string::npos) {
    return warren::Fail(ErrorCode::kUnsupported, "the broker offers no PLAIN authentication, only" + mechanisms);
  }
  const Table properties = ClientProperties(options_);
  const std::string response = std::string(1, '\0') + options_.credentials.user + '\0' + options_.credentials.password;
  amqp_connection_start_ok_t ok{properties.view(), Bytes("PLAIN"), Bytes(response), Bytes("en_US")};
  return SendMethod(0, AMQP_CONNECTION_START_OK_METHOD, &ok);
}

Result<void> Protocol::OnTune(const amqp_connection_tune_t& tune) {
  frame_max_ = std::max(Smaller(frame_max_, tune.frame_max), kSmallestFrameMax);
  channel_max_ = static_cast<std::uint16_t>(Smaller(channel_max_, tune.channel_max));
  heartbeat_ =
      std::chrono::seconds(options_.heartbeat.count() == 0
                               ? 0
                               : Smaller(static_cast<std::uint32_t>(options_.heartbeat.count()), tune.heartbeat));
  amqp_connection_tune_ok_t ok{channel_max_, frame_max_, static_cast<std::uint16_t>(heartbeat_.count())};
  if (auto sent = SendMethod(0, AMQP_CONNECTION_TUNE_OK_METHOD, &ok); !sent) return sent;
  amqp_connection_open_t open{Bytes(options_.vhost), Bytes(""), false};
  return SendMethod(0, AMQP_CONNECTION_OPEN_METHOD, &open);
}

void Protocol::OnServerClose(const amqp_connection_close_t& close) {
  amqp_connection_close_ok_t ok{};
  (void)SendMethod(0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
  std::string told = "the broker closed the connection: " + std::string(View(close.reply_text)) + " (" +
                     std::to_string(close.reply_code) + ")";
  if (state_ == State::kHandshake) told += Remedy(close.reply_code);
  End({CodeOfClose(close.reply_code), std::move(told), Where()});
}

void Protocol::Tick(Time now) {
  if (state_ == State::kOver || heartbeat_.count() == 0) return;
  if (now - last_received_ > 2 * heartbeat_) {
    End({ErrorCode::kTimeout,
         "nothing heard for two heartbeat intervals of " + std::to_string(heartbeat_.count()) + " s", Where()});
  } else if (now - last_sent_ >= heartbeat_ / 2 && output_.empty()) {
    AppendHeartbeat(output_);
    events_.on_output();
  }
}

void Protocol::Close() {
  if (state_ == State::kClosing || state_ == State::kOver) return;
  if (state_ == State::kHandshake) {
    End({ErrorCode::kUnavailable, "closed by us before it was open", Where()});
    return;
  }
  amqp_connection_close_t close{AMQP_REPLY_SUCCESS, Bytes("goodbye"), 0, 0};
  (void)SendMethod(0, AMQP_CONNECTION_CLOSE_METHOD, &close);
  state_ = State::kClosing;
}

void Protocol::Fail(const Error& error) {
  Error told = error.Within(Where());
  if (started_ && !greeted_) told.message += "; no greeting came: is this an AMQP port, and one without TLS?";
  End(told);
}

void Protocol::End(const Error& error) {
  if (state_ == State::kOver) return;
  state_ = State::kOver;
  // Users are told outside of whatever call led here.
  Defer([this, error] {
    const auto channels = std::exchange(channels_, {});
    for (const auto& channel : channels) {
      if (channel) channel->Finish(error);
    }
    if (const auto on_over = std::exchange(events_.on_over, nullptr)) on_over(error);
  });
}

void Protocol::Forget() {
  forgotten_ = true;
  state_ = State::kOver;
  events_ = {[] {}, nullptr, [](bool, std::string_view) {}, [] {}};
  deferred_.clear();
  for (const auto& channel : std::exchange(channels_, {})) {
    if (channel) channel->Forget();
  }
}

std::shared_ptr<ChannelState> Protocol::OpenChannel() {
  std::size_t number = 1;
  while (number < channels_.size() && channels_[number]) ++number;
  if (state_ != State::kOpen || number > channel_max_) {
    const std::string why = state_ != State::kOpen ? "the connection is not open"
                                                   : "all " + std::to_string(channel_max_) + " channels are in use";
    const Error fault{ErrorCode::kUnavailable, why, Where()};
    auto channel = std::make_shared<ChannelState>(this, fault);
    Defer([channel, fault] { channel->Finish(fault); });
    return channel;
  }
  if (number >= channels_.size()) channels_.resize(number + 1);
  channels_[number] = std::make_shared<ChannelState>(this, static_cast<std::uint16_t>(number));
  amqp_channel_open_t open{amqp_empty_bytes};
  channels_[number]->Call(AMQP_CHANNEL_OPEN_METHOD, &open, AMQP_CHANNEL_OPEN_OK_METHOD, [](Result<Method>) {});
  return channels_[number];
}

void Protocol::ReleaseChannel(std::uint16_t number) {
  if (number != 0 && number < channels_.size()) channels_[number] = nullptr;
}

Result<void> Protocol::SendMethod(std::uint16_t channel, amqp_method_number_t id, void* method) {
  const Result<void> appended = AppendMethod(output_, channel, id, method, frame_max_);
  events_.on_output();
  return appended;
}

Result<void> Protocol::SendContent(std::uint16_t channel, amqp_basic_publish_t& method,
                                   const amqp_basic_properties_t& properties, std::string_view body) {
  const std::size_t before = output_.size();
  Result<void> appended = AppendMethod(output_, channel, AMQP_BASIC_PUBLISH_METHOD, &method, frame_max_);
  if (appended) appended = AppendContent(output_, channel, properties, body, frame_max_);
  if (!appended) output_.resize(before);
  events_.on_output();
  return appended;
}

void Protocol::Defer(std::function<void()> call) {
  deferred_.push_back(std::move(call));
  events_.on_output();
}

void Protocol::RunDeferred() {
  while (!deferred_.empty()) {
    for (const auto& call : std::exchange(deferred_, {})) {
      if (!forgotten_) call();
    }
  }
}

void Protocol::TakeOutput(std::string& into, Time now) {
  into.clear();
  into.swap(output_);
  last_sent_ = now;
}

}  // namespace warren::amqp
