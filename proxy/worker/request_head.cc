// Request line, Host, the fields that may travel, and the body's length.
#include "proxy/worker/request_head.h"

namespace warren::worker {
namespace {

// Fields that this hop writes itself, or has no use for.
bool IsOurs(std::string_view name) {
  return wire::EqualNames(name, "host") || wire::EqualNames(name, "content-length") || wire::EqualNames(name, "expect");
}

bool BodyExpected(const std::string& method) { return method == "POST" || method == "PUT" || method == "PATCH"; }

}  // namespace

std::string RequestHead(const wire::Request& request, std::string_view host) {
  wire::Fields fields = request.fields;
  wire::StripHopByHop(fields);
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\nHost: ";
  head += host;
  head += "\r\n";
  for (const wire::Field& field : fields) {
    if (!IsOurs(field.name)) head.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  if (!request.body.empty() || BodyExpected(request.method)) {
    head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return head + "\r\n";
}

}  // namespace warren::worker
