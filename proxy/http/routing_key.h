// The routing key of a request, which is what the exchange hashes: --hash-on. Requests with one key
// meet one shard, so a key made of a cookie or a header gives sticky sessions. Pure.
#pragma once

#include <string>
#include <string_view>

#include "policies/error.h"
#include "proxy/http/token.h"
#include "proxy/wire/http1_guard.h"

namespace warren::proxy {

struct HashOn {
  enum class Kind { kRandom, kPath, kClientAddr, kHeader, kCookie };
  Kind kind = Kind::kRandom;
  std::string name;  ///< Of the header or the cookie.
};

/// "random", "path", "client-addr", "header:NAME", "cookie:NAME". Errors: kConfiguration.
Result<HashOn> ParseHashOn(std::string_view text);

/// The key of one request. A request without the header or cookie gets a random key. Paths are taken
/// without their query. Values longer than a routing key may be (255 bytes) are replaced by a hash of them.
std::string MakeRoutingKey(const HashOn& hash_on, const wire::RequestHead& head, std::string_view client_addr,
                           const Token& random);

/// The value of the cookie `name` in the request's Cookie fields (RFC 6265 section 5.4), or empty.
std::string_view FindCookie(const wire::RequestHead& head, std::string_view name);

}  // namespace warren::proxy
