// HTTP fields as values, and the rules about them that the proxy and the worker share: what a
// name and a value may hold (RFC 9110 5.1, 5.5), which fields stop at an intermediary (7.6.1),
// which requests may be sent twice (9.2.2). Pure; leaves parsing and serialising to others.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace warren::wire {

/// One HTTP field line. Values are raw bytes, not necessarily UTF-8.
struct Field {
  std::string name;
  std::string value;

  bool operator==(const Field&) const = default;
};

/// Field lines in order; a name may occur several times. Names are compared without case.
using Fields = std::vector<Field>;

/// True when `text` is a token (RFC 9110 5.6.2): what methods and field names are made of.
bool IsToken(std::string_view text);

/// True when `text` may be a field value here: no CR, LF or NUL (RFC 9110 5.5).
bool IsFieldValue(std::string_view text);

/// True when `text` may be a request target or an authority: no control bytes, no space, not empty.
bool IsTarget(std::string_view text);

/// ASCII comparison without case.
bool EqualNames(std::string_view left, std::string_view right);

/// `text` with ASCII letters in lower case.
std::string LowerCase(std::string_view text);

/// The value of the first field called `name`, or nullptr.
const std::string* Find(const Fields& fields, std::string_view name);

/// Removes every field called `name`; returns how many there were.
std::size_t Remove(Fields& fields, std::string_view name);

/// True when one of the comma-separated members of all fields called `name` is `member`, without case.
bool ListHas(const Fields& fields, std::string_view name, std::string_view member);

/// True when running the request twice does no more than running it once: GET, HEAD, OPTIONS,
/// TRACE, PUT, DELETE (methods are compared with case), or an Idempotency-Key field that is not empty.
bool IsRetrySafe(std::string_view method, const Fields& fields);

/// Removes the fields that concern one connection only: Connection and every field it names (save
/// Host, Content-Length and Content-Type, which belong to the message whatever Connection says),
/// Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade.
void StripHopByHop(Fields& fields);

/// Tells which names StripHopByHop removes from `fields`. Holds no view of them.
class HopByHop {
 public:
  explicit HopByHop(const Fields& fields);
  bool Has(std::string_view name) const;

 private:
  std::vector<std::string> named_;  ///< In Connection; lower case, sorted.
};

}  // namespace warren::wire
