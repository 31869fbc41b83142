// TLS towards brokers, as OpenSSL takes it: whose certificates count, which name has to be in one, and what to say
// when one is refused. For transports, whatever reads and writes for them.
//
// No thread rules but OpenSSL's: one context may be shared, an SSL belongs to one thread at a time.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "policies/error.h"

namespace warren::amqp {

/// A client's context with the authorities of the PEM file, or the system's when the path is empty. kConfiguration when
/// they cannot be read.
Result<boost::asio::ssl::context> MakeTlsContext(const std::string& ca_file);

/// The broker's certificate has to be signed, and to name this host or address.
void ExpectTlsPeer(SSL* ssl, const std::string& host);

/// Why the handshake of `ssl` failed, with the remedy; `failure` is what OpenSSL said.
Error ExplainTlsFailure(SSL* ssl, const std::string& failure);

}  // namespace warren::amqp
