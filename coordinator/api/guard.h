// Who may use the REST API. On a loopback address whoever is on the machine, but no page in a browser there; elsewhere,
// and wherever a token was given, whoever has the token. Cross-origin requests are never allowed (no CORS).
// Values only; safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "coordinator/api/message.h"

namespace warren::coordinator {

/// What a caller has to show.
struct Access {
  std::string token = {};  ///< Empty: none is asked for.
};

/// A token fit for Authorization: Bearer (RFC 6750 2.1) that nobody guesses: at least 16 characters. kConfiguration.
Result<void> CheckToken(std::string_view token);

/// 403 where the request was made by a page of another origin or, without a token, for a name that is not loopback's:
/// a browser can forge neither field. Nothing: it may go on.
std::optional<ApiResponse> RefuseStrangers(const Access& access, const ApiRequest& request);

/// 401 where a token is asked for and not shown. Takes as long for a token that is nearly right as for any other.
std::optional<ApiResponse> RefuseUnlessAuthorized(const Access& access, const ApiRequest& request);

}  // namespace warren::coordinator
