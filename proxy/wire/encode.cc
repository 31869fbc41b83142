// Messages into AMQP properties: views over the message and over the encoder's scratch.
//
// Field lines of one name become one entry of the table `http`, with an array of values. Sorting
// finds them, so a client's thousands of distinct names cost n log n.
#include <algorithm>
#include <charconv>
#include <limits>

#include "proxy/wire/message.h"
#include "shardmgr/broker/amqp/bytes.h"

namespace warren::wire {
namespace {

using amqp::Bytes;
using amqp::View;

constexpr std::uint8_t kNonPersistent = 1;

// What a peer's client library may have to decode as text: visible ASCII and space.
bool IsPlain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxShortStringBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Sizes by the grammar of AMQP 0-9-1 section 4.2.5: kind, value; key with its length byte.
std::size_t SizeOf(const amqp_field_value_t& value);

std::size_t SizeOf(const amqp_table_t& table) {
  std::size_t size = 4;
  for (int i = 0; i < table.num_entries; ++i) size += 1 + table.entries[i].key.len + SizeOf(table.entries[i].value);
  return size;
}

std::size_t SizeOf(const amqp_field_value_t& value) {
  switch (value.kind) {
    case AMQP_FIELD_KIND_UTF8: return 1 + 4 + value.value.bytes.len;
    case AMQP_FIELD_KIND_I64: return 1 + 8;
    case AMQP_FIELD_KIND_BOOLEAN: return 1 + 1;
    case AMQP_FIELD_KIND_TABLE: return 1 + SizeOf(value.value.table);
    case AMQP_FIELD_KIND_ARRAY: {
      std::size_t size = 1 + 4;
      for (int i = 0; i < value.value.array.num_entries; ++i) size += SizeOf(value.value.array.entries[i]);
      return size;
    }
    default: return std::numeric_limits<std::uint16_t>::max();  // The encoder makes no other kind.
  }
}

// class, weight, body size and flags of the content header, before the properties.
constexpr std::size_t kContentHeaderBytes = 2 + 2 + 8 + 2;

std::size_t SizeOf(const amqp_basic_properties_t& properties) {
  std::size_t size = kContentHeaderBytes + 1;  // delivery_mode
  for (const amqp_bytes_t* text :
       {&properties.content_type, &properties.correlation_id, &properties.reply_to, &properties.expiration,
        &properties.message_id, &properties.type, &properties.app_id}) {
    if (text->bytes != nullptr) size += 1 + text->len;
  }
  return size + SizeOf(properties.headers);
}

}  // namespace

void Encoder::Begin(std::string_view type) {
  properties_ = {};
  header_count_ = 0;
  encodable_ = true;
  properties_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties_.delivery_mode = kNonPersistent;
  SetShort(AMQP_BASIC_TYPE_FLAG, &amqp_basic_properties_t::type, type);
  SetShort(AMQP_BASIC_APP_ID_FLAG, &amqp_basic_properties_t::app_id, kAppId);
}

amqp_field_value_t& Encoder::Add(std::string_view key, std::uint8_t kind) {
  amqp_table_entry_t& entry = headers_.at(static_cast<std::size_t>(header_count_++));
  entry.key = Bytes(key);
  entry.value.kind = kind;
  return entry.value;
}

void Encoder::AddText(std::string_view key, std::string_view value) {
  if (!value.empty()) Add(key, AMQP_FIELD_KIND_UTF8).value.bytes = Bytes(value);
}

void Encoder::AddInteger(std::string_view key, std::int64_t value) { Add(key, AMQP_FIELD_KIND_I64).value.i64 = value; }

void Encoder::AddBool(std::string_view key, bool value) { Add(key, AMQP_FIELD_KIND_BOOLEAN).value.boolean = value; }

void Encoder::SetShort(amqp_flags_t flag, amqp_bytes_t amqp_basic_properties_t::*member, std::string_view value) {
  if (!IsPlain(value)) return;
  properties_._flags |= flag;
  properties_.*member = Bytes(value);
}

void Encoder::SetContentType(const Fields& fields) {
  const std::string* type = Find(fields, "content-type");
  if (type != nullptr) SetShort(AMQP_BASIC_CONTENT_TYPE_FLAG, &amqp_basic_properties_t::content_type, *type);
}

void Encoder::AddFields(const Fields& fields) {
  std::size_t names_bytes = 0;
  for (const Field& field : fields) {
    names_bytes += field.name.size();
    encodable_ = encodable_ && field.name.size() <= kMaxFieldNameBytes;
  }
  names_.resize(names_bytes);
  order_.clear();
  char* out = names_.data();
  for (std::uint32_t i = 0; i < fields.size(); ++i) {
    const std::string& name = fields[i].name;
    const char* start = out;
    for (char c : name) *out++ = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    order_.push_back({{start, name.size()}, i, i});
  }
  // By name to find the groups, then by where each group began, so that the order of lines is kept.
  std::sort(order_.begin(), order_.end(),
            [](const Order& a, const Order& b) { return a.name != b.name ? a.name < b.name : a.index < b.index; });
  for (std::size_t i = 1; i < order_.size(); ++i) {
    if (order_[i].name == order_[i - 1].name) order_[i].first = order_[i - 1].first;
  }
  std::sort(order_.begin(), order_.end(),
            [](const Order& a, const Order& b) { return a.first != b.first ? a.first < b.first : a.index < b.index; });

  values_.resize(fields.size());
  http_.clear();
  for (std::size_t i = 0; i < order_.size(); ++i) {
    values_[i].kind = AMQP_FIELD_KIND_UTF8;
    values_[i].value.bytes = Bytes(fields[order_[i].index].value);
    if (i == 0 || order_[i].first != order_[i - 1].first) {
      amqp_table_entry_t& entry = http_.emplace_back();
      entry.key = Bytes(order_[i].name);
      entry.value.kind = AMQP_FIELD_KIND_ARRAY;
      entry.value.value.array = {0, &values_[i]};
    }
    ++http_.back().value.value.array.num_entries;
  }
  Add("http", AMQP_FIELD_KIND_TABLE).value.table = {static_cast<int>(http_.size()), http_.data()};
}

const amqp_basic_properties_t& Encoder::Finish() {
  properties_._flags |= AMQP_BASIC_HEADERS_FLAG;
  properties_.headers = {header_count_, headers_.data()};
  encoded_bytes_ = SizeOf(properties_);
  return properties_;
}

const amqp_basic_properties_t& RequestEncoder::Encode(const Request& request, std::string_view correlation_id,
                                                      std::string_view reply_to, std::int64_t expiration_ms) {
  Begin(kRequestType);
  SetShort(AMQP_BASIC_MESSAGE_ID_FLAG, &amqp_basic_properties_t::message_id, request.id);
  SetShort(AMQP_BASIC_CORRELATION_ID_FLAG, &amqp_basic_properties_t::correlation_id, correlation_id);
  SetShort(AMQP_BASIC_REPLY_TO_FLAG, &amqp_basic_properties_t::reply_to, reply_to);
  const auto [end, error] = std::to_chars(expiration_.data(), expiration_.data() + expiration_.size(),
                                          std::max<std::int64_t>(expiration_ms, 1));
  SetShort(AMQP_BASIC_EXPIRATION_FLAG, &amqp_basic_properties_t::expiration,
           {expiration_.data(), static_cast<std::size_t>(end - expiration_.data())});
  SetContentType(request.fields);
  AddText(":method", request.method);
  AddText(":path", request.target);
  if (request.scheme != kDefaultScheme) AddText(":scheme", request.scheme);
  AddText(":authority", request.authority);
  if (request.deadline_ms > 0) AddInteger(":deadline", request.deadline_ms);
  // A difference of two times that are not negative: sums of a stranger's numbers could overflow.
  const bool expiration_tells = request.sent_ms > 0 && request.deadline_ms - request.sent_ms == expiration_ms;
  if (request.sent_ms > 0 && !expiration_tells) AddInteger(":sent", request.sent_ms);
  AddBool(":retry-safe", request.retry_safe);
  if (request.claim) AddBool(":claim", true);
  AddText(":client-addr", request.client_addr);
  AddText(":proxy", request.proxy);
  AddText("traceparent", request.traceparent);
  AddFields(request.fields);
  return Finish();
}

const amqp_basic_properties_t& ResponseEncoder::Encode(const Response& response, std::string_view correlation_id) {
  Begin(kResponseType);
  SetShort(AMQP_BASIC_CORRELATION_ID_FLAG, &amqp_basic_properties_t::correlation_id, correlation_id);
  SetContentType(response.fields);
  AddInteger(":status", response.status);
  AddText(":node", response.node);
  AddText(":shard", response.shard);
  AddText(":worker", response.worker);
  if (response.queue_us) AddInteger(":queue-us", *response.queue_us);
  if (response.work_us) AddInteger(":work-us", *response.work_us);
  AddFields(response.fields);
  return Finish();
}

}  // namespace warren::wire
