// See dashboard.h. The policy names script and style by their digests, so a script that got into the page in any other
// way would not run.
#include "coordinator/api/dashboard.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <string>

namespace warren::coordinator {
namespace {

/// A source expression for the text between <tag> and </tag> (CSP level 3, 2.3.1).
std::string DigestOf(std::string_view page, const std::string& tag) {
  const auto start = page.find("<" + tag + ">") + tag.size() + 2;
  const std::string_view text = page.substr(start, page.find("</" + tag + ">") - start);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, (SHA256_DIGEST_LENGTH + 2) / 3 * 4 + 1> base64{};
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), SHA256_DIGEST_LENGTH);
  return "'sha256-" + std::string(base64.begin(), base64.begin() + length) + "'";
}

}  // namespace

ApiResponse Dashboard() {
  static const std::string policy =
      "default-src 'none'; script-src " + DigestOf(DashboardText(), "script") + "; style-src " +
      DigestOf(DashboardText(), "style") +
      "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  return {.content_type = "text/html; charset=utf-8",
          .body = std::string(DashboardText()),
          .fields = {{"Content-Security-Policy", policy}, {"Referrer-Policy", "no-referrer"}}};
}

}  // namespace warren::coordinator
