// Messages that anybody who may publish to the broker can have made: any bytes as a content header, read
// as the proxy and the worker read it, and what was accepted written as HTTP.
//
// Rules: no crash; what the decoder of tables is given is safe for it; a response becomes exactly one head
// with the response's fields and one framing; a request becomes exactly one head; encoding what was read
// and reading it again gives the same.
#include <set>

#include "proxy/http/forward.h"
#include "proxy/wire/control.h"
#include "proxy/worker/request_head.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heads.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

using FieldSet = std::multiset<std::pair<std::string, std::string>>;

const std::set<std::string> kWritten = {"date",        "via",          "content-length", "connection",
                                        "warren-node", "warren-shard", "warren-worker"};

FieldSet SetOf(const wire::Fields& fields) {
  FieldSet set;
  for (const auto& field : fields) set.emplace(Lower(field.name), field.value);
  return set;
}

void CheckResponse(const wire::Response& response, Dice& dice) {
  const proxy::ResponseContext context{dice.Below(3) == 0, dice.Below(2) == 0, static_cast<int>(dice.Below(2)),
                                       dice.Below(2) == 0, "Sun, 06 Nov 1994 08:49:37 GMT"};
  std::string out;
  const bool with_body = proxy::WriteHead(response, context, out);
  const PlainHead head = ReadPlainHead(out);
  Require(head.bytes == out.size(), "exactly one head is written: ", out);
  Require(head.start_line.substr(0, 13) == "HTTP/1.1 " + std::to_string(response.status) + " ", "the status: ", out);
  Require(CountFields(head, "transfer-encoding") == 0, "a whole response is not chunked: ", out);
  const std::size_t lengths = CountFields(head, "content-length");
  Require(lengths <= 1, "one Content-Length: ", out);
  const std::string length(FieldValue(head, "content-length"));
  Require(!with_body || length == std::to_string(response.body.size()), "a body has its length: ", out);
  Require(length.find_first_not_of("0123456789") == std::string::npos, "a length is a number: ", out);
  Require(!with_body || (!context.head_request && response.status != 204 && response.status != 304), "no body: ", out);
  const bool closes = FieldValue(head, "connection") == "close";
  Require(CountFields(head, "connection") <= 1 && closes != context.keep_alive, "one Connection field: ", out);
  // Apart from what the proxy writes itself, the fields are the response's, none more.
  wire::Fields wanted = response.fields;
  wire::StripHopByHop(wanted);
  FieldSet want = SetOf(wanted);
  for (const auto& [name, value] : head.fields) {
    const auto found = want.find({Lower(name), std::string(value)});
    if (found != want.end()) {
      want.erase(found);
    } else {
      Require(kWritten.count(Lower(name)) == 1, "a field that nobody sent: ", out);
    }
  }
  for (const auto& [name, value] : want)
    Require(name == "content-length" || name == "host", "a field that got lost: ", name);
}

void CheckRequest(const wire::Request& request) {
  const std::string host = request.authority.empty() ? "app" : request.authority;
  std::string out;
  worker::WriteRequestHead(request, host, out);
  const PlainHead head = ReadPlainHead(out);
  Require(head.bytes == out.size(), "exactly one head is written: ", out);
  Require(head.start_line == request.method + " " + request.target + " HTTP/1.1", "the request line: ", out);
  Require(CountFields(head, "host") == 1 && FieldValue(head, "host") == host, "one Host: ", out);
  Require(CountFields(head, "content-length") <= 1, "one Content-Length: ", out);
  Require(CountFields(head, "transfer-encoding") == 0, "the worker sends no chunks: ", out);
}

/// Reading over an earlier response gives what reading into a new one does.
void CheckReuse(const amqp_basic_properties_t& properties, const std::string& body,
                const Result<wire::Response>& wanted) {
  wire::Response used;
  used.status = 418;
  used.fields = {{"x-old", "1"}, {"content-type", "old/type"}, {"x-old", "2"}};
  used.body = used.node = used.shard = used.worker = "old";
  used.queue_us = used.work_us = 7;
  const auto got = wire::DecodeResponse(properties, std::string(body), used);
  Require(got.has_value() == wanted.has_value(), "old memory changes nothing about what is refused");
  if (!got) return;
  Require(used.status == wanted->status && used.fields == wanted->fields && used.body == wanted->body &&
              used.node == wanted->node && used.shard == wanted->shard && used.worker == wanted->worker &&
              used.queue_us == wanted->queue_us && used.work_us == wanted->work_us,
          "nothing of an earlier response is left");
}

/// The properties after a journey; nothing when they are too large for the buffer.
template <class Check>
void Again(amqp_basic_properties_t properties, Check check) {
  static std::string buffer(4u << 20, '\0');
  const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &properties, amqp::Bytes(buffer));
  if (size <= 0) return;
  const auto payload = std::string("\0\x3c\0\0\0\0\0\0\0\0\0\0", 12) + buffer.substr(0, static_cast<std::size_t>(size));
  amqp::Pool pool;
  const auto header = amqp::DecodeContentHeader(payload, pool);
  Require(header && !header->malformed, "what was encoded is decoded");
  check(*header->properties);
}

void CheckAgain(const wire::Response& response) {
  wire::ResponseEncoder encoder;
  const auto& properties = encoder.Encode(response, "0123456789abcdef0123456789abcdef");
  if (!encoder.Fits(131'072)) return;
  Again(properties, [&](const amqp_basic_properties_t& got) {
    const auto again = wire::DecodeResponse(got, response.body);
    Require(again.has_value(), "a response that was read can be sent: ", again ? "" : again.error().ToString());
    Require(again->status == response.status && SetOf(again->fields) == SetOf(response.fields), "the same response");
    Require(again->queue_us == response.queue_us && again->node == response.node, "the same origin");
  });
}

void CheckAgain(const wire::Request& request) {
  wire::RequestEncoder encoder;
  const auto& properties = encoder.Encode(request, "0123456789abcdef0123456789abcdef", "amq.gen-1", 5);
  if (!encoder.Fits(131'072)) return;
  Again(properties, [&](const amqp_basic_properties_t& got) {
    const auto again = wire::DecodeRequest(got, request.body);
    Require(again.has_value(), "a request that was read can be sent: ", again ? "" : again.error().ToString());
    Require(again->method == request.method && again->target == request.target, "the same request line");
    Require(again->authority == request.authority && again->retry_safe == request.retry_safe &&
                again->claim == request.claim,
            "the same request");
    Require(SetOf(again->fields) == SetOf(request.fields), "the same fields");
  });
}

}  // namespace

void WireDecode(std::string_view bytes) {
  const Input input(bytes);
  Dice dice(input.seed);
  const std::string payload = std::string("\0\x3c\0\0\0\0\0\0\0\0\0\0", 12) + std::string(input.data);
  amqp::Pool pool;
  const auto header = amqp::DecodeContentHeader(payload, pool);
  if (!header) return;
  Require(header->malformed != amqp::PropertiesAreSafe(payload), "only what is safe is decoded");
  Require(!header->malformed || header->properties->_flags == 0, "of what is not, nothing is there");
  const amqp_basic_properties_t& properties = *header->properties;
  int kinds = 0;
  for (const auto& up : {wire::ReadAccept(properties), wire::ReadClaim(properties)}) {
    if (!up) continue;
    ++kinds;
    Require(!up->correlation_id.empty() && !up->inbox.empty() && !up->attempt.empty(), "an accept or claim is whole");
  }
  for (const auto& down : {wire::ReadCancel(properties), wire::ReadGrant(properties)}) {
    if (!down) continue;
    ++kinds;
    Require(!down->correlation_id.empty() && !down->attempt.empty(), "a cancel or grant is whole");
  }
  Require(kinds <= 1, "a message is one thing");
  const std::string body(dice.Below(3), 'b');
  const auto response = wire::DecodeResponse(properties, body);
  CheckReuse(properties, body, response);
  if (response) {
    Require(response->status >= 200 && response->status <= 599, "a final status");
    CheckResponse(*response, dice);
    CheckAgain(*response);
  }
  if (const auto request = wire::DecodeRequest(properties, body)) {
    CheckRequest(*request);
    CheckAgain(*request);
  }
}

}  // namespace warren::fuzz
