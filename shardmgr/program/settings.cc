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

Result<std::string> ReadSecretFile(const std::string& path, const std::string& what) {
  const auto wrong = [&](const std::string& how) { return Fail(ErrorCode::kConfiguration, how, path); };
  const std::string remedy = "; give the path of a file that holds the " + what + " alone";
  std::ifstream file(path, std::ios::binary);
  if (!file) return wrong("cannot be opened" + remedy);
  std::string text(kLongestSecretBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return wrong("cannot be read" + remedy);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kLongestSecretBytes) return wrong("is longer than 4096 bytes, so it is no " + what + " file");

  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return wrong("is empty; it has to hold the " + what);
  if (text.find_first_of(std::string("\n\r\0", 3)) != std::string::npos) {
    return wrong("holds more than one line; it has to hold the " + what + " alone");
  }
  return text;
}

Result<std::string> ReadToken(const Parsed& parsed) {
  if (!parsed.Given("token-file")) return std::string();
  const std::string path = parsed.Text("token-file");
  auto secret = ReadSecretFile(path, "token");
  if (!secret) return tl::unexpected(secret.error().Within(parsed.Origin("token-file")));
  if (const std::string warning = ReadableByOthers(path); !warning.empty()) Log(LogLevel::kWarning, warning);
  return secret;
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
