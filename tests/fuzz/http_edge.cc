// From a client's bytes to the head that an application behind a worker gets, all of it as values:
//   FindHeadEnd, ParseHead, ChunkReader -> MakeRequest, MakeRoutingKey -> RequestEncoder -> the broker's
//   bytes -> DecodeRequest -> WriteRequestHead of the worker -> ParseHead again.
//
// Rules: nothing depends on how the bytes were split; what is accepted holds no CR, LF or NUL, has one
// framing and one host; what travels arrives as it was; and the application reads the same request, one.
#include "proxy/http/forward.h"
#include "proxy/http/routing_key.h"
#include "proxy/wire/http1_chunked.h"
#include "proxy/wire/http1_guard.h"
#include "proxy/worker/request_head.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heads.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

constexpr std::size_t kMaxBody = 5'000;
constexpr wire::HeadLimits kDefault{};
constexpr wire::HeadLimits kSmall{200, 64, 6, 24};
constexpr wire::HeadLimits kWide{1u << 20, 1u << 20, 4'096, 255};

bool IsClean(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

/// Where the head ends in `bytes` when they come in pieces; -1: refused.
long HeadEndInPieces(std::string_view bytes, const wire::HeadLimits& limits, Dice dice) {
  std::size_t scanned = 0;
  for (std::size_t have = 0;;) {
    have += dice.Piece(bytes.size() - have);
    const auto end = wire::FindHeadEnd(bytes.substr(0, have), limits, scanned);
    if (!end) return -1;
    if (*end > 0) return static_cast<long>(*end);
    Require(scanned <= have, "what was scanned is there");
    if (have == bytes.size()) return 0;
  }
}

struct ChunkedBody {
  int refused = 0;  ///< The status, or 0.
  bool done = false;
  std::size_t taken = 0;
  std::string body;
  bool operator==(const ChunkedBody&) const = default;
};

ChunkedBody ReadChunked(std::string_view bytes, Dice* dice) {
  ChunkedBody result;
  wire::ChunkReader reader(kMaxBody);
  while (result.taken < bytes.size() && !reader.done()) {
    const std::string_view rest = bytes.substr(result.taken);
    const std::string_view piece = rest.substr(0, dice != nullptr ? dice->Piece(rest.size()) : rest.size());
    const auto took = reader.Feed(piece, result.body);
    if (!took) {
      result.refused = took.error().status;
      result.taken = 0;  // How much of a refused body was looked at means nothing.
      result.body.clear();
      break;
    }
    Require(*took == piece.size() || reader.done(), "all is taken until the body is complete");
    result.taken += *took;
  }
  Require(result.body.size() <= kMaxBody, "a body stays below its limit");
  result.done = reader.done();
  return result;
}

void CheckHead(const wire::RequestHead& head, std::string_view bytes) {
  const PlainHead plain = [&] {  // ParseHead allows blanks that a writer of ours would not write.
    PlainHead read;
    for (const auto& field : head.fields) read.fields.emplace_back(field.name, field.value);
    return read;
  }();
  Require(!head.method.empty() && wire::IsToken(head.method), "the method is a token: ", bytes);
  Require(wire::IsTarget(head.path) && wire::IsTarget(head.target), "the target has no blank or control: ", bytes);
  Require(head.authority.empty() || wire::IsTarget(head.authority), "the host has no blank or control: ", bytes);
  for (const auto& field : head.fields) {
    Require(wire::IsToken(field.name) && IsClean(field.value), "fields are clean: ", bytes);
  }
  const std::size_t lengths = CountFields(plain, "content-length");
  const std::size_t codings = CountFields(plain, "transfer-encoding");
  Require(lengths + codings <= 1, "one framing: ", bytes);
  Require((codings == 1) == (head.framing == wire::Framing::kChunked), "chunked is what says so: ", bytes);
  Require(head.framing != wire::Framing::kLength || lengths == 1, "a length is what says so: ", bytes);
  Require(lengths == 0 || FieldValue(plain, "content-length").find_first_not_of("0123456789") == std::string_view::npos,
          "a length is digits: ", bytes);
  const std::size_t hosts = CountFields(plain, "host");
  Require(hosts == 1 || (hosts == 0 && head.minor_version == 0), "one host: ", bytes);
  const auto line = bytes.substr(0, bytes.find("\r\n"));
  const std::string start = std::string(head.method) + " " + std::string(head.target) + " HTTP/1.";
  Require(line.size() == start.size() + 1 && line.substr(0, start.size()) == start, "the request line: ", line);
  Require(head.minor_version == (line.back() == '0' ? 0 : 1), "later minor versions are read as 1.1: ", line);
}

void CheckRoutingKeys(const wire::RequestHead& head) {
  using Kind = proxy::HashOn::Kind;
  for (const proxy::HashOn& on : {proxy::HashOn{Kind::kRandom, {}}, proxy::HashOn{Kind::kPath, {}},
                                  proxy::HashOn{Kind::kHeader, "x-key"}, proxy::HashOn{Kind::kCookie, "sid"}}) {
    const std::string key = proxy::MakeRoutingKey(on, head, "192.0.2.1", {1, 2});
    Require(!key.empty() && key.size() <= 255, "a routing key is a short string");
    Require(key == proxy::MakeRoutingKey(on, head, "192.0.2.1", {1, 2}), "a routing key is a function");
  }
}

wire::Fields Grouped(const wire::Fields& fields) {
  wire::Fields grouped;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (wire::Find(grouped, fields[i].name) != nullptr) continue;
    for (std::size_t j = i; j < fields.size(); ++j) {
      if (Lower(fields[j].name) == Lower(fields[i].name)) grouped.push_back({Lower(fields[j].name), fields[j].value});
    }
  }
  return grouped;
}

/// As it comes out of the broker at the worker; the checks of both ends in between.
wire::Request Travel(const wire::Request& sent) {
  static wire::RequestEncoder encoder;
  static std::string buffer(4u << 20, '\0');
  amqp_basic_properties_t properties = encoder.Encode(sent, "0123456789abcdef0123456789abcdef", "amq.gen-1", 100);
  const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &properties, amqp::Bytes(buffer));
  Require(size > 0, "what was made is encoded");
  const auto payload = std::string("\0\x3c\0\0\0\0\0\0\0\0\0\0", 12) + buffer.substr(0, static_cast<std::size_t>(size));
  Require(payload.size() == encoder.encoded_bytes(), "the size of a head is known before it is encoded");
  amqp::Pool pool;
  const auto header = amqp::DecodeContentHeader(payload, pool);
  Require(header && !header->malformed, "what was encoded is decoded");
  auto got = wire::DecodeRequest(*header->properties, sent.body);
  Require(got.has_value(), "a request of the proxy is one for the worker: ", got ? "" : got.error().ToString());
  Require(got->id == sent.id && got->method == sent.method && got->target == sent.target, "the line arrives");
  Require(got->authority == sent.authority && got->scheme == sent.scheme, "the host arrives: ", got->authority);
  Require(got->client_addr == sent.client_addr && got->traceparent == sent.traceparent, "the origin arrives");
  Require(got->retry_safe == sent.retry_safe && got->body == sent.body, "the rest arrives");
  Require(got->fields == Grouped(sent.fields), "the fields arrive: ", sent.target);
  return std::move(*got);
}

void CheckUpstream(const wire::Request& request) {
  std::string head;
  worker::WriteRequestHead(request, request.authority.empty() ? "app:80" : request.authority, head);
  std::size_t scanned = 0;
  const auto end = wire::FindHeadEnd(head, kWide, scanned);
  Require(end && *end == head.size(), "the worker writes one head, whole: ", head);
  wire::RequestHead read;
  const auto parsed = wire::ParseHead(head, kWide, read);
  Require(parsed.has_value(), "the application can read the worker's head: ", head);
  Require(read.method == request.method && read.path == request.target, "the same request: ", head);
  Require(read.framing != wire::Framing::kChunked && read.content_length == request.body.size(),
          "the length is the body's: ", head);
  Require(read.keep_alive && !read.expect_continue, "the connection is the worker's own: ", head);
  const PlainHead plain = ReadPlainHead(head);
  for (const char* name : {"te", "upgrade", "transfer-encoding", "keep-alive", "connection", "trailer"}) {
    Require(CountFields(plain, name) == 0, "fields of one connection stop: ", head);
  }
}

}  // namespace

void HttpEdge(std::string_view bytes) {
  const Input input(bytes);
  Dice dice(input.seed);
  const wire::HeadLimits& limits = input.seed % 4 == 3 ? kSmall : kDefault;
  std::size_t scanned = 0;
  const auto end = wire::FindHeadEnd(input.data, limits, scanned);
  const long at_once = end ? static_cast<long>(*end) : -1;
  Require(at_once == HeadEndInPieces(input.data, limits, dice), "the head's end depends on its bytes alone: ", bytes);
  if (at_once <= 0) return;
  const std::string_view head_bytes = input.data.substr(0, *end);
  const std::string_view rest = input.data.substr(*end);
  wire::RequestHead head;
  if (!wire::ParseHead(head_bytes, limits, head)) return;
  CheckHead(head, head_bytes);
  CheckRoutingKeys(head);

  proxy::ForwardContext context{"192.0.2.1", "proxy-1", dice.Below(2) == 0};
  wire::Request request = proxy::MakeRequest(head, context, {3, 4}, {5, 6});
  if (head.framing == wire::Framing::kChunked) {
    ChunkedBody body = ReadChunked(rest, nullptr);
    Require(body == ReadChunked(rest, &dice), "a body depends on its bytes alone: ", bytes);
    if (!body.done) return;
    request.body = std::move(body.body);
  } else if (head.framing == wire::Framing::kLength) {
    if (head.content_length > rest.size()) return;
    request.body = rest.substr(0, head.content_length);
  }
  if (head.form == wire::TargetForm::kAuthority) return;  // CONNECT goes no further.
  CheckUpstream(Travel(request));
}

}  // namespace warren::fuzz
