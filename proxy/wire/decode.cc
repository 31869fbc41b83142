// AMQP properties back into messages. What arrives may come from any client of the broker, so
// everything is looked at before it is used: kinds, sizes, and bytes that would break an HTTP message.
#include <charconv>

#include "proxy/wire/field_writer.h"
#include "proxy/wire/message.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/table.h"

namespace warren::wire {
namespace {

using amqp::AsInteger;
using amqp::AsText;
using amqp::View;

std::string_view Short(const amqp_basic_properties_t& properties, amqp_flags_t flag, const amqp_bytes_t& value) {
  return (properties._flags & flag) != 0 ? View(value) : std::string_view();
}

// The headers, or an empty table where the message has none.
amqp_table_t Headers(const amqp_basic_properties_t& properties) {
  return (properties._flags & AMQP_BASIC_HEADERS_FLAG) != 0 ? properties.headers : amqp_table_t{0, nullptr};
}

// What a stranger wrote, fit for a message: short, and without control bytes.
std::string Quoted(std::string_view text) {
  constexpr std::size_t kMaxShown = 40;
  std::string quoted = "\"";
  for (char c : text.substr(0, kMaxShown)) quoted += c >= 0x20 && c < 0x7f ? c : '?';
  return quoted + (text.size() > kMaxShown ? "…\"" : "\"");
}

// A text header that may be missing; another kind, or CR, LF, NUL in it, is an error.
Result<std::string> OptionalText(const amqp_table_t& headers, std::string_view key) {
  const amqp_field_value_t* value = amqp::Find(headers, key);
  if (value == nullptr) return std::string();
  const std::optional<std::string_view> text = AsText(value);
  if (!text || !IsFieldValue(*text)) {
    return Fail(ErrorCode::kProtocol, "must be a string without CR, LF or NUL", std::string(key));
  }
  return std::string(*text);
}

// A header for information only: what is unusable counts as absent.
void Hint(const amqp_table_t& headers, std::string_view key, std::string& into) {
  const std::string_view text = AsText(amqp::Find(headers, key)).value_or(std::string_view());
  into.assign(IsFieldValue(text) ? text : std::string_view());
}

std::string Hint(const amqp_table_t& headers, std::string_view key) {
  std::string text;
  Hint(headers, key, text);
  return text;
}

std::optional<std::int64_t> HintInteger(const amqp_table_t& headers, std::string_view key) {
  const std::optional<std::int64_t> number = AsInteger(amqp::Find(headers, key));
  return number && *number >= 0 ? number : std::nullopt;
}

// When the message was published: its time to live, then, ended at the deadline. 0: unknown.
std::int64_t SentByExpiration(const amqp_basic_properties_t& properties, std::int64_t deadline_ms) {
  const std::string_view text = Short(properties, AMQP_BASIC_EXPIRATION_FLAG, properties.expiration);
  std::int64_t expiration_ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), expiration_ms);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && expiration_ms > 0 && expiration_ms < deadline_ms ? deadline_ms - expiration_ms : 0;
}

// One line of a field: text as it is, an integer as its digits.
Result<void> Append(FieldWriter& fields, std::string_view name, const amqp_field_value_t& value) {
  if (fields.count() == kMaxFields) {
    return Fail(ErrorCode::kProtocol, "more than " + std::to_string(kMaxFields) + " field lines", "http");
  }
  if (const std::optional<std::string_view> text = AsText(&value)) {
    if (!IsFieldValue(*text)) {
      return Fail(ErrorCode::kProtocol, "the value holds CR, LF or NUL", "field " + Quoted(name));
    }
    fields.AddLower(name).assign(*text);
    return {};
  }
  if (const std::optional<std::int64_t> number = AsInteger(&value)) {
    fields.AddLower(name) = std::to_string(*number);
    return {};
  }
  return Fail(ErrorCode::kProtocol, "a value must be a string, a byte array or an integer", "field " + Quoted(name));
}

Result<void> DecodeFields(const amqp_table_t& headers, Fields& into) {
  FieldWriter fields(into);
  const amqp_field_value_t* http = amqp::Find(headers, "http");
  if (http == nullptr || http->kind == AMQP_FIELD_KIND_VOID) return {};
  if (http->kind != AMQP_FIELD_KIND_TABLE) {
    return Fail(ErrorCode::kProtocol, "must be a table of fields", "http");
  }
  const amqp_table_t& table = http->value.table;
  into.reserve(static_cast<std::size_t>(table.num_entries));
  for (int i = 0; i < table.num_entries; ++i) {
    const std::string_view name = View(table.entries[i].key);
    const amqp_field_value_t& value = table.entries[i].value;
    if (!IsToken(name)) {
      return Fail(ErrorCode::kProtocol, "not a field name (RFC 9110 token)", "field " + Quoted(name));
    }
    const bool many = value.kind == AMQP_FIELD_KIND_ARRAY;
    const int count = many ? value.value.array.num_entries : 1;
    for (int j = 0; j < count; ++j) {
      Result<void> added = Append(fields, name, many ? value.value.array.entries[j] : value);
      if (!added) return tl::unexpected(std::move(added.error()));
    }
  }
  return {};
}

Result<void> CheckRequestLine(const Request& request) {
  if (!IsToken(request.method)) {
    return Fail(ErrorCode::kProtocol, "must be an HTTP method, not " + Quoted(request.method), ":method");
  }
  if (!IsTarget(request.target)) {
    return Fail(ErrorCode::kProtocol, "must be a request target, not " + Quoted(request.target), ":path");
  }
  if (!request.authority.empty() && !IsTarget(request.authority)) {
    return Fail(ErrorCode::kProtocol, "must be host or host:port, not " + Quoted(request.authority), ":authority");
  }
  return {};
}

Result<int> DecodeStatus(const amqp_table_t& headers) {
  const amqp_field_value_t* value = amqp::Find(headers, ":status");
  if (value == nullptr) return 200;
  const std::optional<std::int64_t> status = AsInteger(value);
  if (!status || *status < kMinStatus || *status > kMaxStatus) {
    const std::string shown = status ? std::to_string(*status) : "something else";
    return Fail(ErrorCode::kProtocol,
                "must be an integer from " + std::to_string(kMinStatus) + " to " + std::to_string(kMaxStatus) +
                    ", not " + shown,
                ":status");
  }
  return static_cast<int>(*status);
}

// A message's own type of another kind is for its sender; one of ours that is not `wanted` is not whole.
bool IsOfType(std::string_view type, std::string_view wanted) { return !type.starts_with("http.") || type == wanted; }

}  // namespace

Envelope ReadEnvelope(const amqp_basic_properties_t& properties) {
  return {Short(properties, AMQP_BASIC_MESSAGE_ID_FLAG, properties.message_id),
          Short(properties, AMQP_BASIC_CORRELATION_ID_FLAG, properties.correlation_id),
          Short(properties, AMQP_BASIC_REPLY_TO_FLAG, properties.reply_to),
          Short(properties, AMQP_BASIC_TYPE_FLAG, properties.type)};
}

Result<Request> DecodeRequest(const amqp_basic_properties_t& properties, std::string body) {
  const Envelope envelope = ReadEnvelope(properties);
  if (!IsOfType(envelope.type, kRequestType)) {
    return Fail(ErrorCode::kUnsupported, "must be http.request, not " + Quoted(envelope.type), "type");
  }
  const amqp_table_t headers = Headers(properties);
  Request request;
  for (const auto& [key, member] :
       {std::pair(":method", &Request::method), {":path", &Request::target}, {":authority", &Request::authority}}) {
    Result<std::string> text = OptionalText(headers, key);
    if (!text) return tl::unexpected(std::move(text.error()));
    request.*member = std::move(*text);
  }
  if (Result<void> line = CheckRequestLine(request); !line) return tl::unexpected(std::move(line.error()));
  if (Result<void> fields = DecodeFields(headers, request.fields); !fields) {
    return tl::unexpected(std::move(fields.error()));
  }

  const std::string scheme = Hint(headers, ":scheme");
  if (IsToken(scheme)) request.scheme = scheme;
  request.id = IsFieldValue(envelope.message_id) ? envelope.message_id : std::string_view();
  request.client_addr = Hint(headers, ":client-addr");
  request.proxy = Hint(headers, ":proxy");
  request.traceparent = Hint(headers, "traceparent");
  request.deadline_ms = HintInteger(headers, ":deadline").value_or(0);
  request.sent_ms = HintInteger(headers, ":sent").value_or(0);
  if (request.sent_ms == 0) request.sent_ms = SentByExpiration(properties, request.deadline_ms);
  const std::optional<bool> retry_safe = amqp::AsBool(amqp::Find(headers, ":retry-safe"));
  request.retry_safe = retry_safe ? *retry_safe : IsRetrySafe(request.method, request.fields);
  request.claim = amqp::AsBool(amqp::Find(headers, ":claim")).value_or(false);
  request.body = std::move(body);
  return request;
}

Result<Response> DecodeResponse(const amqp_basic_properties_t& properties, std::string body) {
  Response response;
  if (Result<void> decoded = DecodeResponse(properties, std::move(body), response); !decoded) {
    return tl::unexpected(std::move(decoded.error()));
  }
  return response;
}

Result<void> DecodeResponse(const amqp_basic_properties_t& properties, std::string&& body, Response& response) {
  const Envelope envelope = ReadEnvelope(properties);
  const amqp_table_t headers = Headers(properties);
  if (!IsOfType(envelope.type, kResponseType) || amqp::Find(headers, ":seq") != nullptr) {
    return Fail(ErrorCode::kUnsupported, "the answer is a piece of a streamed response, which is not supported");
  }
  const Result<int> status = DecodeStatus(headers);
  if (!status) return tl::unexpected(status.error());
  if (Result<void> fields = DecodeFields(headers, response.fields); !fields) return fields;
  response.status = *status;
  const std::string_view content_type = Short(properties, AMQP_BASIC_CONTENT_TYPE_FLAG, properties.content_type);
  if (!content_type.empty() && IsFieldValue(content_type) && Find(response.fields, "content-type") == nullptr) {
    response.fields.push_back({"content-type", std::string(content_type)});
  }
  Hint(headers, ":node", response.node);
  Hint(headers, ":shard", response.shard);
  Hint(headers, ":worker", response.worker);
  response.queue_us = HintInteger(headers, ":queue-us");
  response.work_us = HintInteger(headers, ":work-us");
  response.body = std::move(body);
  return {};
}

}  // namespace warren::wire
