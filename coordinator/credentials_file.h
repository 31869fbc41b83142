// CredentialsFile: passwords of the users that streams name as local-username: a JSON object
// {"user": "password", …} in a file that nobody but its owner and group may read. Read again whenever the
// file changes, so that passwords can be changed without a restart. What it holds is never logged.
//
// One thread (the coordinator's loop).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "policies/error.h"

namespace warren::coordinator {

inline constexpr std::size_t kMaxCredentialsFileBytes = 1u << 20;

using Passwords = std::map<std::string, std::string>;

class CredentialsFile {
 public:
  /// Empty `path`: no file, and no passwords.
  explicit CredentialsFile(std::string path) : path_(std::move(path)) {}

  /// Reads the file if it changed since it was last read well (time, size or the file itself). kConfiguration:
  /// not there, no regular file, readable by others, too long, or not such an object; what was read before stays.
  Result<void> Refresh();

  const Passwords& passwords() const { return passwords_; }
  std::vector<std::string> users() const;

 private:
  using Stamp = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::uint64_t, std::uint64_t>;

  std::string path_;
  Passwords passwords_;
  Stamp read_{};
};

/// The content of such a file. kConfiguration, with the place but without any of the text.
Result<Passwords> ParseCredentials(std::string_view text);

}  // namespace warren::coordinator
