// What options alone do not give: the user's password, read from where secrets may be.
// Called once at start; reads a file.
#pragma once

#include <string>

#include "policies/error.h"
#include "shardmgr/broker/amqp/types.h"
#include "shardmgr/program/options.h"

namespace warren::program {

/// --user with the password of --password-file, else of WARREN_PASSWORD, else "guest". A file that
/// others may read is used, and warned of in the log. Errors: kConfiguration.
Result<amqp::Credentials> ReadCredentials(const Parsed& parsed);

/// The content of a file that holds one secret, without the newline at its end. At most 4 KiB, not
/// empty, no newline or NUL inside. `what` it is, for messages.
Result<std::string> ReadSecretFile(const std::string& path, const std::string& what = "password");

/// The secret of --token-file, as ReadSecretFile, and a warning in the log if others may read it; empty when the option
/// was not given.
Result<std::string> ReadToken(const Parsed& parsed);

/// A sentence when the file at `path` can be read by others than its owner and group; else empty.
std::string ReadableByOthers(const std::string& path);

}  // namespace warren::program
