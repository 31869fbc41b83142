// What a reverse proxy changes on a message that it passes on (RFC 9110 section 7.6): from the head that
// a client sent to the request that travels, and from the response that came back to the bytes for the
// client. Field values are copied byte for byte. Pure: time and random numbers come in as arguments.
#pragma once

#include <string>
#include <string_view>

#include "proxy/http/token.h"
#include "proxy/wire/http1_guard.h"
#include "proxy/wire/message.h"

namespace warren::proxy {

/// Where a request came in.
struct ForwardContext {
  std::string_view client_addr;
  std::string_view instance;
  bool trust_forwarded = false;  ///< The client is a proxy of ours: its X-Forwarded-* are kept.
};

/// The request to publish, still without its body, deadline and time of sending. `request_id` and
/// `trace` serve where the client sent no X-Request-Id or traceparent that can be used.
wire::Request MakeRequest(const wire::RequestHead& head, const ForwardContext& context, const Token& request_id,
                          const Token& trace);
/// The same over an earlier request, whose memory is used again; its body, deadline and time of sending are left alone.
void MakeRequest(const wire::RequestHead& head, const ForwardContext& context, const Token& request_id,
                 const Token& trace, wire::Request& request);

/// True for a W3C trace context of version 00 that is well formed and not all zeros.
bool IsTraceparent(std::string_view text);

/// How a response goes to one client.
struct ResponseContext {
  bool head_request = false;
  bool keep_alive = true;
  int minor_version = 1;  ///< The client's.
  bool expose_origin = false;
  std::string_view date;  ///< An IMF-fixdate, for responses without Date.
};

/// Appends status line and fields, empty line included. Returns whether the body follows them (not
/// after HEAD, 204, 205, 304).
bool WriteHead(const wire::Response& response, const ResponseContext& context, std::string& out);

/// Appends a whole answer of the proxy's own: text/plain with one line.
void WriteFailure(int status, std::string_view reason, bool retry_later, const ResponseContext& context,
                  std::string& out);

/// The standard phrase of a status (RFC 9110 section 15); empty where there is none.
std::string_view ReasonPhrase(int status);

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7) of a Unix time.
std::string HttpDate(std::int64_t unix_seconds);

}  // namespace warren::proxy
