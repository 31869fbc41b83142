// One connection to the REST API: reads requests within bounds of size and time, has them answered, writes the
// answers. HTTP/1.1 by Boost.Beast, which stays in session.cc. Everything on the server's one thread but what
// ApiResponse::later does, which is the clerk's.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "coordinator/api/clerk.h"
#include "coordinator/api/message.h"

namespace warren::coordinator {

inline constexpr std::size_t kMostHeaderBytes = 16 * 1024;     ///< Of a request line and fields; more is 431.
inline constexpr std::size_t kMostContentBytes = 1024 * 1024;  ///< Of a request's content; more is 413.
inline constexpr std::size_t kMostApiConnections = 128;        ///< More are closed at once.

/// What the connections share.
struct ApiSite {
  std::function<ApiResponse(const ApiRequest&)> answer;  ///< Does not block.
  Clerk* clerk = nullptr;                                ///< Ends before the io_context does.
  std::size_t connections = 0;
};

/// Serves the connection until it ends; closes it when there are too many.
void ServeApi(boost::asio::ip::tcp::socket socket, std::shared_ptr<ApiSite> site);

}  // namespace warren::coordinator
