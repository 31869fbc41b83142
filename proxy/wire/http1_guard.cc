// The request line, the fields and what they mean together; see the header. Each refusal names the
// section that forbids the form.
#include "proxy/wire/http1_guard.h"

#include <algorithm>
#include <array>

namespace warren::wire {
namespace {

using Checked = tl::expected<void, Refusal>;

tl::unexpected<Refusal> Refuse(int status, std::string_view reason) {
  return tl::unexpected<Refusal>(Refusal{status, reason});
}

constexpr std::array<bool, 256> Set(std::string_view more) {
  std::array<bool, 256> set{};
  for (int c = '0'; c <= '9'; ++c) set[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) set[c] = set[c - 'a' + 'A'] = true;
  for (char c : more) set[static_cast<unsigned char>(c)] = true;
  return set;
}

constexpr auto kTokenBytes = Set("!#$%&'*+-.^_`|~");
// RFC 3986 reg-name, IP-literal and port: unreserved, sub-delims, "%", brackets, ":".
constexpr auto kAuthorityBytes = Set("-._~!$&'()*+,;=%[]:");

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool StartsWithScheme(std::string_view target, std::string_view scheme) {
  return target.size() > scheme.size() && SameName(target.substr(0, scheme.size()), scheme);
}

Checked CheckAuthority(std::string_view authority, bool may_be_empty) {
  if (authority.empty() && !may_be_empty) return Refuse(400, "the request target names no host (RFC 9110 4.2.1)");
  for (unsigned char c : authority) {
    if (!kAuthorityBytes[c]) return Refuse(400, "invalid host (RFC 9110 7.2, RFC 3986 3.2)");
  }
  // A colon may only be in brackets or before the port.
  std::string_view rest = authority;
  if (!rest.empty() && rest.front() == '[') {
    const auto end = rest.find(']');
    if (end == rest.npos) return Refuse(400, "invalid host: '[' without ']' (RFC 3986 3.2.2)");
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != ':') return Refuse(400, "invalid host after ']' (RFC 3986 3.2.2)");
  } else {
    rest.remove_prefix(std::min(rest.find(':'), rest.size()));
    if (authority.find_first_of("[]") != authority.npos) return Refuse(400, "invalid host: stray bracket (RFC 3986)");
  }
  if (!rest.empty()) rest.remove_prefix(1);
  if (rest.size() > 5 || rest.find_first_not_of("0123456789") != rest.npos) {
    return Refuse(400, "invalid port (RFC 3986 3.2.3)");
  }
  return {};
}

Checked ReadAbsolute(std::string_view rest, RequestHead& head) {
  const auto end = rest.find_first_of("/?");
  head.form = TargetForm::kAbsolute;
  head.authority = rest.substr(0, end);
  head.path = end == rest.npos ? std::string_view("/") : rest.substr(end);
  if (end == rest.npos && head.method == "OPTIONS") head.path = "*";  // RFC 9112 3.2.4
  return CheckAuthority(head.authority, false);
}

Checked ReadTarget(RequestHead& head) {
  for (unsigned char c : head.target) {
    if (c <= ' ' || c >= 0x7f || c == '#') return Refuse(400, "invalid byte in the request target (RFC 9112 3.2)");
  }
  head.scheme = head.authority = {};
  if (head.method == "CONNECT") {
    head.form = TargetForm::kAuthority;
    head.path = head.authority = head.target;
    return CheckAuthority(head.authority, false);
  }
  if (head.target.front() == '/') {
    head.form = TargetForm::kOrigin;
    head.path = head.target;
    return {};
  }
  if (head.target == "*") {
    if (head.method != "OPTIONS") return Refuse(400, "target '*' is for OPTIONS alone (RFC 9112 3.2.4)");
    head.form = TargetForm::kAsterisk;
    head.path = head.target;
    return {};
  }
  for (std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!StartsWithScheme(head.target, scheme)) continue;
    head.scheme = scheme.substr(0, scheme.size() - 3);
    return ReadAbsolute(head.target.substr(scheme.size()), head);
  }
  return Refuse(400, "the request target has none of the four forms (RFC 9112 3.2)");
}

Checked ReadVersion(std::string_view version, RequestHead& head) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7])) {
    return Refuse(400, "invalid HTTP version (RFC 9112 2.3)");
  }
  if (version[5] != '1') return Refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  head.minor_version = version[7] == '0' ? 0 : 1;
  return {};
}

Checked ReadRequestLine(std::string_view line, const HeadLimits& limits, RequestHead& head) {
  if (line.size() > limits.max_request_line_bytes) return Refuse(414, "the request line is too long");
  const auto method_end = line.find(' ');
  const auto target_end = line.rfind(' ');
  if (method_end == line.npos || method_end == target_end) {
    return Refuse(400, "the request line is not: method, one space, target, one space, version (RFC 9112 3)");
  }
  head.method = line.substr(0, method_end);
  head.target = line.substr(method_end + 1, target_end - method_end - 1);
  if (head.method.empty() || head.method.size() > 64) return Refuse(400, "invalid method (RFC 9112 3.1)");
  for (unsigned char c : head.method) {
    if (!kTokenBytes[c]) return Refuse(400, "invalid method (RFC 9112 3.1)");
  }
  if (head.target.empty()) return Refuse(400, "empty request target (RFC 9112 3.2)");
  auto version = ReadVersion(line.substr(target_end + 1), head);
  return version ? ReadTarget(head) : version;
}

Checked ReadField(std::string_view line, const HeadLimits& limits, RequestHead& head) {
  if (line.front() == ' ' || line.front() == '\t') return Refuse(400, "folded field line (RFC 9112 5.2)");
  const auto colon = line.find(':');
  if (colon == line.npos) return Refuse(400, "field line without a colon (RFC 9112 5)");
  const std::string_view name = line.substr(0, colon);
  if (name.empty()) return Refuse(400, "field without a name (RFC 9110 5.1)");
  if (name.back() == ' ' || name.back() == '\t') return Refuse(400, "space before the colon (RFC 9112 5.1)");
  if (name.size() > limits.max_field_name_bytes) return Refuse(431, "a field name is too long");
  for (unsigned char c : name) {
    if (!kTokenBytes[c]) return Refuse(400, "invalid byte in a field name (RFC 9110 5.1)");
  }
  const std::string_view value = TrimBlanks(line.substr(colon + 1));
  for (unsigned char c : value) {
    if ((c < ' ' && c != '\t') || c == 0x7f) return Refuse(400, "control byte in a field value (RFC 9110 5.5)");
  }
  if (head.fields.size() == limits.max_fields) return Refuse(431, "too many fields");
  head.fields.push_back({name, value});
  return {};
}

/// What the fields say together about body, host and connection.
struct Meaning {
  const HeadField* host = nullptr;
  const HeadField* length = nullptr;
  bool transfer_encoding = false;
  std::string_view coding;  ///< The one Transfer-Encoding line.
  bool close = false;
  bool keep_alive = false;
};

/// Larger numbers count as the largest; what is no number is left alone.
void ReadMaxForwards(std::string_view value, RequestHead& head) {
  if (head.method != "OPTIONS" && head.method != "TRACE") return;
  if (value.empty() || value.find_first_not_of("0123456789") != value.npos) return;
  std::uint64_t number = 0;
  for (char c : value) number = std::min<std::uint64_t>(number * 10 + static_cast<std::uint64_t>(c - '0'), 999'999'999);
  head.max_forwards = static_cast<std::uint32_t>(number);
}

Checked Note(const HeadField& field, RequestHead& head, Meaning& seen) {
  switch (field.name.size()) {  // Few fields matter here; most are told apart by their length alone.
    case 4:
      if (!SameName(field.name, "host")) break;
      if (seen.host != nullptr) return Refuse(400, "more than one Host field (RFC 9112 3.2)");
      seen.host = &field;
      break;
    case 6:
      if (!SameName(field.name, "expect") || head.minor_version == 0) break;  // RFC 9110 10.1.1
      if (!SameName(field.value, "100-continue")) return Refuse(417, "Expect is not 100-continue (RFC 9110 10.1.1)");
      head.expect_continue = true;
      break;
    case 10:
      if (!SameName(field.name, "connection")) break;
      seen.close = seen.close || HasMember(field.value, "close");
      seen.keep_alive = seen.keep_alive || HasMember(field.value, "keep-alive");
      break;
    case 12:
      if (SameName(field.name, "max-forwards")) ReadMaxForwards(field.value, head);
      break;
    case 14:
      if (!SameName(field.name, "content-length")) break;
      if (seen.length != nullptr) return Refuse(400, "more than one Content-Length field (RFC 9112 6.3)");
      seen.length = &field;
      break;
    case 17:
      if (!SameName(field.name, "transfer-encoding")) break;
      if (seen.transfer_encoding) return Refuse(400, "more than one Transfer-Encoding field (not read here)");
      seen.transfer_encoding = true;
      seen.coding = field.value;
      break;
    default: break;
  }
  return {};
}

Checked ReadCoding(const Meaning& seen, RequestHead& head) {
  if (head.minor_version == 0) return Refuse(400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)");
  if (seen.length != nullptr) return Refuse(400, "Content-Length with Transfer-Encoding (RFC 9112 6.3)");
  head.framing = Framing::kChunked;
  if (SameName(seen.coding, "chunked")) return {};
  const auto comma = seen.coding.rfind(',');
  const auto last = TrimBlanks(comma == seen.coding.npos ? seen.coding : seen.coding.substr(comma + 1));
  if (!SameName(last, "chunked")) return Refuse(400, "Transfer-Encoding does not end in chunked (RFC 9112 6.3)");
  if (HasMember(seen.coding.substr(0, comma), "chunked")) return Refuse(400, "chunked twice (RFC 9112 6.1)");
  return Refuse(501, "no transfer coding but chunked is known here (RFC 9112 6.1)");
}

Checked ReadLength(std::string_view value, RequestHead& head) {
  if (value.empty() || value.size() > 18 || value.find_first_not_of("0123456789") != value.npos) {
    return Refuse(400, "Content-Length is not one decimal number (RFC 9110 8.6)");
  }
  for (char c : value) head.content_length = head.content_length * 10 + static_cast<std::uint64_t>(c - '0');
  head.framing = head.content_length > 0 ? Framing::kLength : Framing::kNone;
  return {};
}

Checked Conclude(const Meaning& seen, RequestHead& head) {
  if (seen.host == nullptr && head.minor_version == 1) return Refuse(400, "no Host field (RFC 9112 3.2)");
  if (seen.host != nullptr) {
    if (auto host = CheckAuthority(seen.host->value, true); !host) return host;
    if (head.form == TargetForm::kOrigin || head.form == TargetForm::kAsterisk) head.authority = seen.host->value;
  }
  head.keep_alive = !seen.close && (head.minor_version == 1 || seen.keep_alive);
  if (seen.transfer_encoding) return ReadCoding(seen, head);
  return seen.length != nullptr ? ReadLength(seen.length->value, head) : Checked{};
}

}  // namespace

bool IsTokenByte(unsigned char byte) { return kTokenBytes[byte]; }

bool SameName(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (Lower(left[i]) != Lower(right[i])) return false;
  }
  return true;
}

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool HasMember(std::string_view list, std::string_view member) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (SameName(TrimBlanks(list.substr(0, comma)), member)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

tl::expected<std::size_t, Refusal> FindHeadEnd(std::string_view bytes, const HeadLimits& limits, std::size_t& scanned) {
  const auto too_long = [&]() -> tl::unexpected<Refusal> {
    if (bytes.substr(0, limits.max_head_bytes).find('\n') == bytes.npos) {
      return Refuse(414, "the request line is too long");
    }
    return Refuse(431, "the head is too long");
  };
  while (scanned < bytes.size()) {
    std::size_t odd = scanned;
    while (odd < bytes.size() && bytes[odd] != '\r' && bytes[odd] != '\n' && bytes[odd] != '\0') ++odd;
    if (odd == bytes.size()) {
      scanned = odd;
      break;
    }
    if (bytes[odd] == '\0') return Refuse(400, "NUL in the head (RFC 9110 5.5)");
    if (bytes[odd] == '\n') return Refuse(400, "bare LF in the head (RFC 9112 2.2)");
    scanned = odd;
    if (odd + 1 == bytes.size()) break;  // The CR's LF is still to come.
    if (bytes[odd + 1] != '\n') return Refuse(400, "bare CR in the head (RFC 9112 2.2)");
    scanned = odd + 2;
    const bool empty_line = odd >= 2 && bytes[odd - 1] == '\n';
    if (scanned > limits.max_head_bytes) return too_long();
    if (empty_line) return scanned;
  }
  if (bytes.size() > limits.max_head_bytes) return too_long();
  return std::size_t{0};
}

tl::expected<void, Refusal> ParseHead(std::string_view bytes, const HeadLimits& limits, RequestHead& head) {
  head.fields.clear();
  head.framing = Framing::kNone;
  head.content_length = 0;
  head.expect_continue = false;
  head.max_forwards.reset();
  head.method = {};
  bool first = true;
  for (std::size_t at = 0; at + 2 < bytes.size();) {
    const auto end = bytes.find("\r\n", at);
    if (end == bytes.npos) return Refuse(400, "the head does not end in an empty line (RFC 9112 2.1)");
    const std::string_view line = bytes.substr(at, end - at);
    at = end + 2;
    if (line.empty()) return Refuse(400, "an empty line inside the head (RFC 9112 2.1)");
    auto read = first ? ReadRequestLine(line, limits, head) : ReadField(line, limits, head);
    if (!read) return read;
    first = false;
  }
  if (first) return Refuse(400, "empty head (RFC 9112 3)");
  Meaning seen;
  for (const HeadField& field : head.fields) {
    if (auto noted = Note(field, head, seen); !noted) return noted;
  }
  return Conclude(seen, head);
}

}  // namespace warren::wire
