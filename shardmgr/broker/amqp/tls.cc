// OpenSSL's settings and messages; see the header.
#include "shardmgr/broker/amqp/tls.h"

#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>

namespace warren::amqp {

namespace asio = boost::asio;
using boost::system::error_code;

Result<asio::ssl::context> MakeTlsContext(const std::string& ca_file) {
  error_code error;
  asio::ssl::context context(asio::ssl::context::tls_client);
  if (ca_file.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.load_verify_file(ca_file, error);
  }
  if (error) {
    const bool readable = ca_file.empty() || access(ca_file.c_str(), R_OK) == 0;
    return Fail(ErrorCode::kConfiguration,
                readable ? "no TLS authorities can be read from it: " + error.message()
                         : "the file of TLS authorities cannot be read",
                ca_file.empty() ? "the system's certificates" : ca_file);
  }
  return context;
}

void ExpectTlsPeer(SSL* ssl, const std::string& host) {
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  error_code no_address;
  asio::ip::make_address(host, no_address);
  if (no_address) {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set1_host(ssl, host.c_str());
  } else {  // An address is no server name (RFC 6066, 3), and is sought among the certificate's addresses.
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  }
}

Error ExplainTlsFailure(SSL* ssl, const std::string& failure) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified == X509_V_OK) {
    return {ErrorCode::kUnavailable, "the TLS handshake failed: " + failure + "; is this a TLS port?", {}};
  }
  const bool other_host = verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH;
  return {ErrorCode::kUnavailable,
          std::string("the broker's TLS certificate is refused: ") + X509_verify_cert_error_string(verified) +
              (other_host ? "; give a name or address that the certificate holds"
                          : "; give the authority that signed it with --tls-ca-file"),
          {}};
}

}  // namespace warren::amqp
