// Request line, Host, the fields that may travel, those that the message says elsewhere, and the body's length.
#include "proxy/worker/request_head.h"

namespace warren::worker {
namespace {

using wire::EqualNames;

bool BodyExpected(const std::string& method) { return method == "POST" || method == "PUT" || method == "PATCH"; }

void Write(std::string_view name, std::string_view value, std::string& head) {
  head.append(name).append(": ").append(value).append("\r\n");
}

/// What the `http` table says itself of the fields that are otherwise made here.
struct Said {
  bool via = false, forwarded_for = false, forwarded_proto = false, forwarded_host = false;
  bool request_id = false, traceparent = false;
};

/// Whether this hop writes the field itself, or has no use for it.
bool IsOurs(std::string_view name, Said& said) {
  switch (name.size()) {  // Most names are told apart by their length alone.
    case 3: said.via |= EqualNames(name, "via"); break;
    case 4: return EqualNames(name, "host");
    case 6: return EqualNames(name, "expect");
    case 11: said.traceparent |= EqualNames(name, "traceparent"); break;
    case 12: said.request_id |= EqualNames(name, "x-request-id"); break;
    case 14: return EqualNames(name, "content-length");
    case 15: said.forwarded_for |= EqualNames(name, "x-forwarded-for"); break;
    case 16: said.forwarded_host |= EqualNames(name, "x-forwarded-host"); break;
    case 17: said.forwarded_proto |= EqualNames(name, "x-forwarded-proto"); break;
    default: break;
  }
  return false;
}

void WriteSaidElsewhere(const wire::Request& request, const Said& said, std::string& head) {
  const auto write = [&head](bool is_said, std::string_view name, std::string_view value) {
    if (!is_said && !value.empty()) Write(name, value, head);
  };
  write(said.via, "via", wire::kVia);
  write(said.forwarded_for, "x-forwarded-for", request.client_addr);
  write(said.forwarded_proto, "x-forwarded-proto", request.scheme);
  write(said.forwarded_host, "x-forwarded-host", request.authority);
  write(said.request_id, "x-request-id", request.id);
  write(said.traceparent, "traceparent", request.traceparent);
}

}  // namespace

void WriteRequestHead(const wire::Request& request, std::string_view host, std::string& head) {
  head.assign(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  Write("Host", host, head);
  const wire::HopByHop hop_by_hop(request.fields);
  Said said;
  for (const wire::Field& field : request.fields) {
    if (!IsOurs(field.name, said) && !hop_by_hop.Has(field.name)) Write(field.name, field.value, head);
  }
  if (!request.proxy.empty()) WriteSaidElsewhere(request, said, head);
  if (!request.body.empty() || BodyExpected(request.method)) {
    Write("Content-Length", std::to_string(request.body.size()), head);
  }
  head += "\r\n";
}

}  // namespace warren::worker
