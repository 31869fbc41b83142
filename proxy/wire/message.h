// HTTP requests and responses as AMQP messages, both ways: the wire that docs/wire.md describes
// for workers in any language. Pure: values in, views for rabbitmq-c's encoder out, and back.
//
//   request   properties message_id, correlation_id, reply_to, expiration, delivery_mode 1,
//             type "http.request", content_type, app_id "warren"
//             headers :method :path :scheme :authority :deadline :sent :retry-safe :client-addr
//             :proxy traceparent, and the table `http` { lower-case name: [values as long strings] }
//   response  correlation_id, type "http.response", headers :status :node :shard :worker
//             :queue-us :work-us, and the table `http`
//   body      the HTTP body, whole
//
// Encoders give views into the message they were given and into scratch of their own, so nothing
// is allocated once they are warm. Decoders copy; they refuse what HTTP/1.1 could not carry safely
// (CR, LF, NUL, names that are no tokens) and never throw on what a stranger sent.
//
// Threads: no shared state. One encoder belongs to one thread at a time.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "proxy/wire/fields.h"

namespace warren::wire {

inline constexpr std::size_t kMaxFieldNameBytes = 255;    ///< An AMQP table key has one length byte.
inline constexpr std::size_t kMaxShortStringBytes = 255;  ///< message_id, correlation_id, reply_to …
inline constexpr std::size_t kMaxFields = 4'096;          ///< Field lines a decoder accepts.
inline constexpr std::size_t kFrameReserveBytes = 4'096;  ///< Left free of headers in the one frame.
inline constexpr int kMinStatus = 200;                    ///< Interim (1xx) responses do not travel.
inline constexpr int kMaxStatus = 599;

/// Most bytes that all properties and headers of a message may take (Encoder::encoded_bytes()) on
/// a connection with this negotiated frame size.
constexpr std::size_t MaxHeaderBytes(std::uint32_t frame_max_bytes) {
  return frame_max_bytes > kFrameReserveBytes ? frame_max_bytes - kFrameReserveBytes : 0;
}

/// An HTTP request, whole.
struct Request {
  std::string id;      ///< Request id, as in X-Request-Id; the message_id when it is visible ASCII.
  std::string method;  ///< A token, with case.
  std::string target;  ///< Raw request target: "/path?query", "*".
  std::string scheme = "http";
  std::string authority;  ///< What the client sent as Host; may be empty (HTTP/1.0).
  std::string client_addr;
  std::string proxy;        ///< Instance id of the proxy.
  std::string traceparent;  ///< W3C trace context; empty: none.
  bool retry_safe = false;
  bool claim = false;  ///< The proxy answers http.claim (control.h): whoever is not sure to be the first asks it.
  std::int64_t deadline_ms = 0;  ///< Unix time; 0: none.
  std::int64_t sent_ms = 0;  ///< Unix time at which the proxy published it; 0: unknown. Mostly not sent: see wire.md.
  /// End-to-end fields; without Host, Content-Length and those that the message says elsewhere (docs/wire.md).
  Fields fields;
  std::string body;
};

/// An HTTP response, whole.
struct Response {
  int status = 200;
  Fields fields;  ///< End-to-end fields; Content-Length only where it says more than the body (HEAD, 304).
  std::string body;
  std::string node;    ///< Broker node that the worker was connected to; may be empty, as the next two.
  std::string shard;   ///< Shard queue the request came from.
  std::string worker;  ///< Instance id of the worker.
  std::optional<std::int64_t> queue_us;  ///< From `:sent` to the worker taking it, microseconds.
  std::optional<std::int64_t> work_us;   ///< From taking it to the answer, microseconds.
};

/// What the property `type` says.
inline constexpr std::string_view kRequestType = "http.request";
inline constexpr std::string_view kResponseType = "http.response";
inline constexpr std::string_view kAppId = "warren";

inline constexpr std::string_view kDefaultScheme = "http";  ///< `:scheme` when it is absent.
inline constexpr std::string_view kVia = "1.1 warren";      ///< The field Via when it is not in `http`.

/// Scratch shared by both encoders: builds the header table and knows its encoded size.
class Encoder {
 public:
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// Encoded bytes of the last message's properties and headers, as they count against the frame.
  std::size_t encoded_bytes() const { return encoded_bytes_; }

  /// True when the last message can be sent on a connection with this frame_max: its headers leave
  /// kFrameReserveBytes free and no field name is longer than kMaxFieldNameBytes. Where it is
  /// false, the message must not be published; to a client this is 431.
  bool Fits(std::uint32_t frame_max_bytes) const {
    return encodable_ && encoded_bytes_ <= MaxHeaderBytes(frame_max_bytes);
  }

 protected:
  Encoder() = default;
  ~Encoder() = default;

  void Begin(std::string_view type);
  void AddText(std::string_view key, std::string_view value);
  void AddInteger(std::string_view key, std::int64_t value);
  void AddBool(std::string_view key, bool value);
  void AddFields(const Fields& fields);
  void SetShort(amqp_flags_t flag, amqp_bytes_t amqp_basic_properties_t::*member, std::string_view value);
  void SetContentType(const Fields& fields);
  const amqp_basic_properties_t& Finish();

 private:
  amqp_field_value_t& Add(std::string_view key, std::uint8_t kind);

  struct Order {
    std::string_view name;  ///< Lower case, in names_.
    std::uint32_t index;    ///< In the message's fields.
    std::uint32_t first;    ///< Index of the first field of this name.
  };

  amqp_basic_properties_t properties_{};
  std::array<amqp_table_entry_t, 16> headers_{};
  int header_count_ = 0;
  std::string names_;
  std::vector<Order> order_;
  std::vector<amqp_field_value_t> values_;
  std::vector<amqp_table_entry_t> http_;
  std::size_t encoded_bytes_ = 0;
  bool encodable_ = true;
};

/// Encodes requests, one after another.
class RequestEncoder : public Encoder {
 public:
  /// Properties of the message that carries `request`; its body is published beside them. The
  /// views hold until the next call, and as long as `request` and the two texts live unchanged.
  /// `expiration_ms` below 1 is sent as 1. Ask Fits() before publishing.
  const amqp_basic_properties_t& Encode(const Request& request, std::string_view correlation_id,
                                        std::string_view reply_to, std::int64_t expiration_ms);

 private:
  std::array<char, 24> expiration_{};
};

/// Encodes responses, one after another.
class ResponseEncoder : public Encoder {
 public:
  /// As RequestEncoder::Encode.
  const amqp_basic_properties_t& Encode(const Response& response, std::string_view correlation_id);
};

/// The properties by which both sides find each other; views into the delivery.
struct Envelope {
  std::string_view message_id;
  std::string_view correlation_id;
  std::string_view reply_to;
  std::string_view type;
};
Envelope ReadEnvelope(const amqp_basic_properties_t& properties);

/// The request in a delivery. kProtocol with what was wrong when it has no usable :method or :path,
/// or a field that HTTP cannot carry. Absent :retry-safe is worked out from method and fields.
Result<Request> DecodeRequest(const amqp_basic_properties_t& properties, std::string body);

/// The response in a delivery. No headers at all: 200 with that body. kProtocol when it could not
/// be sent to an HTTP client as it is (to a client this is 502); kUnsupported for streamed pieces.
Result<Response> DecodeResponse(const amqp_basic_properties_t& properties, std::string body);
/// The same over an earlier response, whose memory is used again. After an error it holds nothing of use.
Result<void> DecodeResponse(const amqp_basic_properties_t& properties, std::string&& body, Response& response);

}  // namespace warren::wire
