// The fuzzers. Each takes any bytes, and ends the program when one of the rules in its file is broken.
#pragma once

#include <string_view>

namespace warren::fuzz {

void HttpEdge(std::string_view bytes);          ///< A request from a client to a worker's upstream, as values.
void Session(std::string_view bytes);           ///< A whole client connection of the proxy.
void WireDecode(std::string_view bytes);        ///< Messages that anybody may have published.
void UpstreamResponse(std::string_view bytes);  ///< What an application answers to the worker.
void AmqpClient(std::string_view bytes);        ///< What a broker, or what poses as one, sends.
void Dispatcher(std::string_view bytes);        ///< Orders of events that requests in flight meet.
void ControlMessages(std::string_view bytes);   ///< What consumers and coordinators, or others, tell each other.
void Gateway(std::string_view bytes);           ///< Both sides of a connection through the gateway.

}  // namespace warren::fuzz
