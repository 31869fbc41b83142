// Requests on the way in and responses on the way out; see the header.
#include "proxy/http/forward.h"

#include <algorithm>
#include <ctime>

#include "proxy/wire/field_writer.h"

namespace warren::proxy {
namespace {

using wire::SameName;

constexpr std::string_view kPseudonym = wire::kVia;
constexpr std::size_t kMaxRequestIdBytes = 128;

/// Names that gateway interfaces (CGI, WSGI, Rack) could not tell from one that the proxy removes or
/// writes itself: there, "X_Forwarded_For" and "X-Forwarded-For" are one variable.
bool IsDisguised(std::string_view name) {
  static constexpr std::string_view kOwn[] = {"content-length",    "transfer-encoding", "proxy-connection",
                                              "keep-alive",        "x-forwarded-for",   "x-forwarded-host",
                                              "x-forwarded-proto", "x-request-id"};
  if (name.find('_') == name.npos) return false;
  std::string plain(name);
  std::replace(plain.begin(), plain.end(), '_', '-');
  return std::any_of(std::begin(kOwn), std::end(kOwn), [&](std::string_view own) { return SameName(plain, own); });
}

/// Fields of one connection, and those that the proxy writes itself. `nominated`: all Connection values.
bool StopsHere(std::string_view name, std::string_view nominated) {
  switch (name.size()) {
    case 2:
      if (SameName(name, "te")) return true;
      break;
    case 7:
      if (SameName(name, "trailer") || SameName(name, "upgrade")) return true;
      break;
    case 10:
      if (SameName(name, "connection") || SameName(name, "keep-alive")) return true;
      break;
    case 14:
      if (SameName(name, "content-length")) return true;
      break;
    case 16:
      if (SameName(name, "proxy-connection")) return true;
      break;
    case 17:
      if (SameName(name, "transfer-encoding")) return true;
      break;
    default: break;
  }
  return !nominated.empty() && !SameName(name, "content-type") && wire::HasMember(nominated, name);
}

/// The values of all Connection fields as one list; empty when they name no field.
template <class FieldList>
std::string Nominated(const FieldList& fields) {
  std::string list;
  for (const auto& field : fields) {
    if (!SameName(field.name, "connection") || SameName(field.value, "close") || SameName(field.value, "keep-alive")) {
      continue;
    }
    list.append(field.value).push_back(',');
  }
  return list;
}

bool IsRequestId(std::string_view text) {
  if (text.empty() || text.size() > kMaxRequestIdBytes) return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

void Join(std::string& list, std::string_view more) {
  if (!list.empty()) list += ", ";
  list += more;
}

/// What the client said in fields that the proxy writes anew.
struct Rewritten {
  std::string via, forwarded_for, forwarded_proto, forwarded_host;
  std::string_view request_id, traceparent;
};

/// True when `field` is one of those; what it says is kept in `seen` as far as it is to be trusted.
bool Rewrite(const wire::HeadField& field, bool trust, Rewritten& seen) {
  if (IsDisguised(field.name)) return true;
  const auto take = [trust](std::string& into, std::string_view value) {
    if (trust) Join(into, value);
    return true;
  };
  switch (field.name.size()) {
    case 3: return SameName(field.name, "via") && (Join(seen.via, field.value), true);
    case 4: return SameName(field.name, "host");
    case 6: return SameName(field.name, "expect");
    case 9: return SameName(field.name, "forwarded") && !trust;
    case 11:
      if (!SameName(field.name, "traceparent")) return false;
      seen.traceparent = IsTraceparent(field.value) && seen.traceparent.empty() ? field.value : std::string_view();
      return true;
    case 12:
      if (!SameName(field.name, "x-request-id")) return false;
      if (IsRequestId(field.value)) seen.request_id = field.value;
      return true;
    case 15: return SameName(field.name, "x-forwarded-for") && take(seen.forwarded_for, field.value);
    case 16: return SameName(field.name, "x-forwarded-host") && take(seen.forwarded_host, field.value);
    case 17: return SameName(field.name, "x-forwarded-proto") && take(seen.forwarded_proto, field.value);
    default: return false;
  }
}

/// The client's request id and trace context, or new ones.
void WriteIds(const Rewritten& seen, const Token& request_id, const Token& trace, wire::Request& request) {
  const auto id = request_id.Text();
  if (seen.request_id.empty()) {
    request.id.assign(id.data(), id.size());
  } else {
    request.id = seen.request_id;
  }
  if (!seen.traceparent.empty()) {
    request.traceparent = seen.traceparent;
    return;
  }
  const auto text = trace.Text();
  request.traceparent = "00-";
  request.traceparent.append(text.data(), text.size()).append("-").append(id.data(), 16).append("-00");
}

void WriteField(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void WriteStatusLine(int status, std::string& out) {
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(ReasonPhrase(status)).append("\r\n");
}

void WriteConnection(const ResponseContext& context, std::string& out) {
  if (!context.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (context.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == text.npos;
}

void WriteOrigin(const wire::Response& response, std::string& out) {
  const auto write = [&out](std::string_view name, const std::string& value) {
    if (!value.empty() && wire::IsFieldValue(value)) WriteField(name, value, out);
  };
  write("Warren-Node", response.node);
  write("Warren-Shard", response.shard);
  write("Warren-Worker", response.worker);
}

}  // namespace

bool IsTraceparent(std::string_view text) {
  if (text.size() != 55 || text.substr(0, 3) != "00-" || text[35] != '-' || text[52] != '-') return false;
  const auto hex = [](std::string_view part) { return part.find_first_not_of("0123456789abcdef") == part.npos; };
  const auto zero = [](std::string_view part) { return part.find_first_not_of('0') == part.npos; };
  const auto trace = text.substr(3, 32), span = text.substr(36, 16);
  return hex(trace) && hex(span) && hex(text.substr(53)) && !zero(trace) && !zero(span);
}

wire::Request MakeRequest(const wire::RequestHead& head, const ForwardContext& context, const Token& request_id,
                          const Token& trace) {
  wire::Request request;
  MakeRequest(head, context, request_id, trace, request);
  return request;
}

void MakeRequest(const wire::RequestHead& head, const ForwardContext& context, const Token& request_id,
                 const Token& trace, wire::Request& request) {
  request.method = head.method;
  request.target = head.path.front() == '?' ? "/" : "";  // RFC 9112 section 3.2.1
  request.target += head.path;
  request.scheme = wire::kDefaultScheme;
  request.authority = head.authority;
  request.client_addr = context.client_addr;
  request.proxy = context.instance;
  const std::string nominated = Nominated(head.fields);
  Rewritten seen;
  bool has_key = false;
  wire::FieldWriter fields(request.fields);
  for (const auto& field : head.fields) {
    if (StopsHere(field.name, nominated)) continue;
    if (Rewrite(field, context.trust_forwarded, seen)) continue;
    std::string& value = fields.AddLower(field.name);
    if (head.max_forwards.value_or(0) > 0 && SameName(field.name, "max-forwards")) {
      value = std::to_string(*head.max_forwards - 1);
    } else {
      value = field.value;
    }
    has_key = has_key || (!field.value.empty() && SameName(field.name, "idempotency-key"));
  }
  request.retry_safe = has_key || wire::IsRetrySafe(request.method, {});
  request.claim = !request.retry_safe;
  WriteIds(seen, request_id, trace, request);
  // What the message says elsewhere is not said twice: the broker decodes each entry of the table.
  if (!seen.via.empty() || head.minor_version == 0) {
    Join(seen.via, head.minor_version == 0 ? "1.0 warren" : kPseudonym);
    fields.Add("via") = seen.via;
  }
  if (!seen.forwarded_for.empty()) {
    Join(seen.forwarded_for, context.client_addr);
    fields.Add("x-forwarded-for") = seen.forwarded_for;
  }
  if (!seen.forwarded_proto.empty()) fields.Add("x-forwarded-proto") = seen.forwarded_proto;
  if (!seen.forwarded_host.empty()) fields.Add("x-forwarded-host") = seen.forwarded_host;
}

bool WriteHead(const wire::Response& response, const ResponseContext& context, std::string& out) {
  const int status = response.status;
  const bool bodiless = context.head_request || status == 204 || status == 205 || status == 304;
  out.reserve(out.size() + 256);
  WriteStatusLine(status, out);
  const std::string nominated = Nominated(response.fields);
  bool dated = false;
  std::string_view announced;
  for (const auto& field : response.fields) {
    if (SameName(field.name, "content-length")) announced = field.value;
    if (StopsHere(field.name, nominated)) continue;
    dated = dated || SameName(field.name, "date");
    WriteField(field.name, field.value, out);
  }
  if (!dated) WriteField("Date", context.date, out);
  WriteField("Via", kPseudonym, out);
  if (context.expose_origin) WriteOrigin(response, out);
  if (!bodiless) {
    WriteField("Content-Length", std::to_string(response.body.size()), out);
  } else if (status == 205) {
    WriteField("Content-Length", "0", out);  // RFC 9110 15.3.6
  } else if (status != 204 && IsNumber(announced)) {
    WriteField("Content-Length", announced, out);  // What GET would have given (RFC 9110 8.6).
  }
  WriteConnection(context, out);
  out.append("\r\n");
  return !bodiless;
}

void WriteFailure(int status, std::string_view reason, bool retry_later, const ResponseContext& context,
                  std::string& out) {
  WriteStatusLine(status, out);
  WriteField("Date", context.date, out);
  WriteField("Content-Type", "text/plain; charset=utf-8", out);
  WriteField("Content-Length", std::to_string(reason.size() + 1), out);
  if (retry_later) WriteField("Retry-After", "1", out);
  WriteConnection(context, out);
  out.append("\r\n");
  if (!context.head_request) out.append(reason).append("\n");
}

std::string HttpDate(std::int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = unix_seconds;
  std::tm time{};
  ::gmtime_r(&seconds, &time);
  char rest[32];  // Names by hand: strftime's depend on the locale.
  std::strftime(rest, sizeof(rest), " %Y %H:%M:%S GMT", &time);
  const std::string day = std::to_string(time.tm_mday);
  return std::string(kDays[time.tm_wday]) + ", " + (day.size() == 1 ? "0" : "") + day + " " + kMonths[time.tm_mon] +
         rest;
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return {};
  }
}

}  // namespace warren::proxy
