// Reads secrets: see settings.h.
#include "shardmgr/program/settings.h"

#include <sys/stat.h>

#include <fstream>

#include "shardmgr/program/logging.h"

namespace warren::program {
namespace {

constexpr std::size_t kLongestSecretBytes = 4096;

}  // namespace

std::string ReadableByOthers(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & S_IROTH) == 0) return {};
  return path + " can be read by every user of this machine; 'chmod o-r' takes that away";
}

Result<std::string> ReadSecretFile(const std::string& path) {
  const auto wrong = [&](const std::string& what) { return Fail(ErrorCode::kConfiguration, what, path); };
  std::ifstream file(path, std::ios::binary);
  if (!file) return wrong("cannot be opened; give the path of a file that holds the password alone");
  std::string text(kLongestSecretBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return wrong("cannot be read; give the path of a file that holds the password alone");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kLongestSecretBytes) return wrong("is longer than 4096 bytes, so it is no password file");

  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return wrong("is empty; it has to hold the password");
  if (text.find_first_of(std::string("\n\r\0", 3)) != std::string::npos) {
    return wrong("holds more than one line; it has to hold the password alone");
  }
  return text;
}

Result<amqp::Credentials> ReadCredentials(const Parsed& parsed) {
  amqp::Credentials credentials;
  credentials.user = parsed.Text("user");
  if (parsed.Given("password-file")) {
    const std::string path = parsed.Text("password-file");
    auto secret = ReadSecretFile(path);
    if (!secret) return tl::unexpected(secret.error().Within(parsed.Origin("password-file")));
    if (const std::string warning = ReadableByOthers(path); !warning.empty()) Log(LogLevel::kWarning, warning);
    credentials.password = *secret;
  } else if (parsed.password() != nullptr) {
    credentials.password = *parsed.password();
  }
  return credentials;
}

}  // namespace warren::program
