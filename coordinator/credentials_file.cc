// See credentials_file.h.
#include "coordinator/credentials_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "policies/json.h"

namespace warren::coordinator {
namespace {

constexpr std::size_t kLongestNameBytes = 255;  // Of an AMQP short string, which a user name is.
constexpr std::size_t kLongestPasswordBytes = 4096;
constexpr const char* kWrongShape =
    R"(is not what it has to be: a JSON object of user names and passwords, as {"alice": "secret"})";

class OpenFile {
 public:
  explicit OpenFile(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

Result<std::string> ReadAll(int descriptor) {
  std::string text(kMaxCredentialsFileBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(descriptor, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrorCode::kConfiguration, std::string("cannot be read: ") + std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxCredentialsFileBytes) return Fail(ErrorCode::kConfiguration, "is longer than 1 MiB");
  text.resize(size);
  return text;
}

Result<void> Check(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return Fail(ErrorCode::kConfiguration, "is not a regular file");
  if ((status.st_mode & S_IRWXO) != 0) {
    return Fail(ErrorCode::kConfiguration,
                "holds passwords and is open to every user of this machine; 'chmod o-rwx' takes that away");
  }
  return {};
}

}  // namespace

Result<Passwords> ParseCredentials(std::string_view text) {
  const auto parsed = ParseJson(text, "");
  // The parser's own message may quote the text.
  if (!parsed || !parsed->is_object()) return Fail(ErrorCode::kConfiguration, kWrongShape);
  Passwords passwords;
  for (const auto& [user, password] : parsed->items()) {
    if (user.empty() || user.size() > kLongestNameBytes)
      return Fail(ErrorCode::kConfiguration, "has a user name that is empty or longer than 255 bytes");
    if (!password.is_string())
      return Fail(ErrorCode::kConfiguration, "the password of user '" + user + "' is not a string");
    const auto& secret = password.get_ref<const std::string&>();
    if (secret.empty() || secret.size() > kLongestPasswordBytes || secret.find('\0') != std::string::npos)
      return Fail(ErrorCode::kConfiguration,
                  "the password of user '" + user + "' is empty, longer than 4096 bytes or has a NUL in it");
    passwords.emplace(user, secret);
  }
  return passwords;
}

Result<void> CredentialsFile::Refresh() {
  if (path_.empty()) return {};
  const OpenFile file(path_);
  const auto wrong = [&](const Error& error) { return tl::unexpected(error.Within(path_)); };
  struct stat status {};
  if (file.descriptor() < 0 || ::fstat(file.descriptor(), &status) != 0)
    return Fail(ErrorCode::kConfiguration, std::string("cannot be opened: ") + std::strerror(errno), path_);
  if (const auto usable = Check(status); !usable) return wrong(usable.error());
  const Stamp stamp{status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_ino, status.st_dev};
  if (stamp == read_) return {};
  const auto text = ReadAll(file.descriptor());
  if (!text) return wrong(text.error());
  auto passwords = ParseCredentials(*text);
  if (!passwords) return wrong(passwords.error());
  passwords_ = std::move(*passwords);
  read_ = stamp;
  return {};
}

std::vector<std::string> CredentialsFile::users() const {
  std::vector<std::string> names;
  for (const auto& [user, password] : passwords_) names.push_back(user);
  return names;
}

}  // namespace warren::coordinator
