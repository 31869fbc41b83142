// See guard.h.
#include "coordinator/api/guard.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace warren::coordinator {
namespace {

constexpr std::size_t kShortestToken = 16;
constexpr std::string_view kScheme = "bearer ";

/// Names of loopback addresses as they stand in Host; the port does not matter.
bool IsLoopbackName(std::string_view host) {
  if (host.starts_with("[::1]")) return host.size() == 5 || host[5] == ':';
  const std::string_view name = host.substr(0, host.rfind(':'));
  return name == "localhost" ||
         (name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string_view::npos);
}

/// Digests are of one length and nobody chooses them: comparing them tells nothing of the token, its length included.
bool IsSame(std::string_view left, std::string_view right) {
  const auto digest = [](std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> bytes{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), bytes.data());
    return bytes;
  };
  const auto one = digest(left);
  const auto other = digest(right);
  return CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

bool IsBearer(std::string_view authorization) {
  return authorization.size() > kScheme.size() &&
         std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                    [](char wanted, char given) { return wanted == std::tolower(static_cast<unsigned char>(given)); });
}

}  // namespace

Result<void> CheckToken(std::string_view token) {
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("-._~+/=").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (token.size() >= kShortestToken && std::all_of(token.begin(), token.end(), fits)) return {};
  return Fail(ErrorCode::kConfiguration,
              "a token has at least 16 characters, of letters, digits and -._~+/=; 'openssl rand -hex 32' makes one");
}

std::optional<ApiResponse> RefuseStrangers(const Access& access, const ApiRequest& request) {
  const bool named = !access.token.empty() || request.host.empty() || IsLoopbackName(request.host);
  // Behind something that speaks TLS, the page's own origin has https where we hear http.
  const bool own = request.origin.empty() || request.origin == "http://" + request.host ||
                   request.origin == "https://" + request.host;
  if (named && own) return std::nullopt;
  return Problem(403, named ? "the request was made by a page of another origin, which the API does not serve"
                            : "the request was made for another host; use a loopback address");
}

std::optional<ApiResponse> RefuseUnlessAuthorized(const Access& access, const ApiRequest& request) {
  if (access.token.empty()) return std::nullopt;
  const std::string_view given = request.authorization;
  const bool bearer = IsBearer(given);
  if (bearer && IsSame(given.substr(kScheme.size()), access.token)) return std::nullopt;
  ApiResponse response =
      Problem(401, std::string(bearer ? "the token is not the right one" : "this resource takes a token") +
                       "; send 'Authorization: Bearer TOKEN' with that of the coordinator's --token-file");
  // RFC 6750 3.1: a request that shows no token is told of no error.
  response.fields.emplace_back("WWW-Authenticate",
                               bearer ? R"(Bearer realm="warren", error="invalid_token")" : R"(Bearer realm="warren")");
  return response;
}

}  // namespace warren::coordinator
