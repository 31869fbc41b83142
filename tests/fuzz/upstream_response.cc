// What an application answers: any bytes read by the worker's ResponseReader, then carried to the proxy and
// written for a client.
//
// Rules: nothing depends on how the bytes were split; a response that is taken is clean, has a body below
// the limit, arrives at the proxy as it was and becomes one head; a connection that says close is not kept.
#include "proxy/http/forward.h"
#include "proxy/worker/response_reader.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heads.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

constexpr std::size_t kMaxBody = 2'000;

struct Outcome {
  bool done = false, failed = false, too_large = false, keeps_alive = false;
  std::size_t taken = 0;
  wire::Response response;
};

Outcome Read(std::string_view bytes, bool to_head, bool ends, Dice* dice) {
  worker::ResponseReader reader;
  reader.Begin(to_head, kMaxBody);
  Outcome outcome;
  while (outcome.taken < bytes.size() && !reader.done() && !reader.failed()) {
    const std::string_view rest = bytes.substr(outcome.taken);
    const std::string_view piece = rest.substr(0, dice != nullptr ? dice->Piece(rest.size()) : rest.size());
    const std::size_t took = reader.Feed(piece);
    Require(took <= piece.size(), "no more is taken than there was");
    Require(took == piece.size() || reader.done() || reader.failed(), "all is taken until it is over");
    outcome.taken += took;
  }
  if (ends) reader.End();
  outcome.done = reader.done();
  outcome.failed = reader.failed();
  Require(!(outcome.done && outcome.failed) && (!ends || outcome.done || outcome.failed), "it ends one way");
  Require(outcome.failed == !reader.problem().empty(), "a failure has a reason");
  outcome.too_large = reader.too_large();
  if (outcome.failed) outcome.taken = 0;
  if (!outcome.done) return outcome;
  outcome.keeps_alive = reader.keeps_alive();
  outcome.response = reader.Take();
  return outcome;
}

void CheckTravel(const wire::Response& response) {
  static wire::ResponseEncoder encoder;
  static std::string buffer(1u << 20, '\0');
  amqp_basic_properties_t properties = encoder.Encode(response, "0123456789abcdef0123456789abcdef");
  if (!encoder.Fits(131'072)) return;
  const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &properties, amqp::Bytes(buffer));
  Require(size > 0, "what was made is encoded");
  const auto payload = std::string("\0\x3c\0\0\0\0\0\0\0\0\0\0", 12) + buffer.substr(0, static_cast<std::size_t>(size));
  amqp::Pool pool;
  const auto header = amqp::DecodeContentHeader(payload, pool);
  Require(header && !header->malformed, "what was encoded is decoded");
  const auto got = wire::DecodeResponse(*header->properties, response.body);
  if (response.status > 599) return;  // Refused by the proxy: 502.
  Require(got.has_value(), "the proxy takes what the worker took: ", got ? "" : got.error().ToString());
  Require(got->status == response.status && got->body == response.body, "the response arrives");
  std::string out;
  proxy::WriteHead(*got, {false, true, 1, false, "Sun, 06 Nov 1994 08:49:37 GMT"}, out);
  const PlainHead head = ReadPlainHead(out);
  Require(head.bytes == out.size(), "exactly one head is written: ", out);
  Require(CountFields(head, "content-length") <= 1 && CountFields(head, "transfer-encoding") == 0,
          "one framing: ", out);
}

}  // namespace

void UpstreamResponse(std::string_view bytes) {
  const Input input(bytes);
  Dice dice(input.seed);
  const bool to_head = input.seed % 4 == 3, ends = input.seed % 2 == 0;
  const Outcome at_once = Read(input.data, to_head, ends, nullptr);
  const Outcome in_pieces = Read(input.data, to_head, ends, &dice);
  Require(at_once.done == in_pieces.done && at_once.failed == in_pieces.failed && at_once.taken == in_pieces.taken &&
              at_once.too_large == in_pieces.too_large && at_once.keeps_alive == in_pieces.keeps_alive,
          "a response's end depends on its bytes alone: ", bytes);
  Require(at_once.response.status == in_pieces.response.status && at_once.response.body == in_pieces.response.body &&
              at_once.response.fields == in_pieces.response.fields,
          "a response depends on its bytes alone: ", bytes);
  if (!at_once.done) return;
  const wire::Response& response = at_once.response;
  Require(response.status >= 200 && response.body.size() <= kMaxBody, "a final response below the limit: ", bytes);
  Require(!to_head || response.body.empty(), "no body after HEAD: ", bytes);
  std::size_t lengths = 0;
  for (const auto& field : response.fields) {
    Require(wire::IsToken(field.name) && wire::IsFieldValue(field.value), "fields are clean: ", bytes);
    const std::string name = Lower(field.name);
    Require(name != "transfer-encoding" && name != "connection", "fields of one connection stop: ", bytes);
    if (name != "content-length") continue;
    ++lengths;
    Require(!field.value.empty() && field.value.find_first_not_of("0123456789") == std::string::npos,
            "a length is a number: ", bytes);
  }
  Require(lengths == 0 || to_head || response.status == 304, "a length travels only where there is no body: ", bytes);
  CheckTravel(response);
}

}  // namespace warren::fuzz
