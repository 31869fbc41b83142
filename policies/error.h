// Error and Result: how every part of Warren reports what went wrong.
//
// The lowest header of the tree: it includes nothing of ours. One table (error.cc) maps codes to
// process exit codes (sysexits) and to HTTP statuses. Values only, safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace warren {

/// What kind of failure an Error is; decides the exit code and the HTTP status.
enum class ErrorCode {
  kUsage,          ///< The command line is wrong (exit 64).
  kInvalid,        ///< Data that a user gave is wrong: JSON, definition, policy, value (65).
  kUnsupported,    ///< Right, but not supported by this version or this broker (65).
  kNotFound,       ///< The thing named is not there: vhost, exchange, queue, parameter (69).
  kConflict,       ///< The thing is there, with other properties (AMQP 406, HTTP 409) (69).
  kUnauthorized,   ///< Wrong user name or password (78).
  kForbidden,      ///< The user lacks a tag or permission (78).
  kUnavailable,    ///< Nothing answered, or it went away: broker, node, connection (69).
  kTimeout,        ///< No answer in time (75).
  kProtocol,       ///< The answer was not what the protocol allows (70).
  kPartial,        ///< Some of the work was done (3).
  kConfiguration,  ///< An option, environment variable or configuration file is wrong (78).
  kInternal,       ///< A fault of Warren's own (70).
};

/// A failure: what was wrong (and what would be right), and where.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  ///< One sentence: what was wrong and what would be right.
  std::string context;  ///< Where: the file, URL, parameter, queue …; may be empty.

  /// "context: message", or the message alone where there is no context.
  std::string ToString() const;

  /// The same error seen from further out: `where` is put before the context.
  Error Within(std::string_view where) const;
};

template <class T>
using Result = tl::expected<T, Error>;

/// Shorthand: `return Fail(ErrorCode::kInvalid, "…", "…");` in a function that returns a Result.
inline tl::unexpected<Error> Fail(ErrorCode code, std::string message, std::string context = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(context)});
}

/// Stable lower-case name of a code ("not-found"), as logs and JSON show it.
std::string_view Name(ErrorCode code);

/// Process exit code (sysexits.h where it has one).
int ExitCode(ErrorCode code);

/// HTTP status of a problem document (RFC 9457) that reports this error.
int HttpStatus(ErrorCode code);

}  // namespace warren
