// Trying the management URLs in turn.
#include "shardmgr/broker/management/caller.h"

#include "shardmgr/broker/management/paths.h"

namespace warren::management {
namespace {

/// One error for all URLs: the code they agree on, else kUnavailable; every message.
Error Combined(const std::vector<Error>& errors) {
  if (errors.size() == 1) return errors.front();
  Error all{errors.front().code, "none of the " + std::to_string(errors.size()) + " management URLs served this", {}};
  std::string_view separator = ": ";
  for (const Error& error : errors) {
    if (error.code != all.code) all.code = ErrorCode::kUnavailable;
    all.message.append(separator).append(error.ToString());
    separator = "; ";
  }
  return all;
}

}  // namespace

Caller::Caller(ClientOptions options) : user_(options.user), transport_(options) {}

Result<Reply> Caller::CallAt(std::size_t index, const Request& request, bool& try_elsewhere) const {
  auto answer = transport_.Send(index, request);
  if (!answer) {
    try_elsewhere = true;
    return tl::unexpected(answer.error().Within(request.what + " at " + transport_.url(index)));
  }
  auto reply = Judge(request, *answer, user_);
  if (!reply) {
    try_elsewhere = WorthTryingElsewhere(reply.error(), *answer);
    return tl::unexpected(reply.error().Within(request.what + " at " + transport_.url(index)));
  }
  return reply;
}

Result<Reply> Caller::Call(const Request& request) const {
  if (transport_.size() == 0) {
    return Fail(ErrorCode::kConfiguration, "no management URL is given; add --management http://HOST:15672");
  }
  std::vector<Error> errors;
  const std::size_t first = preferred_;
  for (std::size_t step = 0; step < transport_.size(); ++step) {
    const std::size_t index = (first + step) % transport_.size();
    bool try_elsewhere = false;
    auto reply = CallAt(index, request, try_elsewhere);
    if (reply) preferred_ = index;
    if (reply || !try_elsewhere) return reply;
    errors.push_back(std::move(reply.error()));
  }
  return tl::unexpected(Combined(errors));
}

Result<nlohmann::json> Caller::Get(std::initializer_list<std::string_view> segments, std::string_view columns,
                                   std::string what) const {
  Request request{"GET", ApiPath(segments), {}, {}, std::move(what)};
  if (!columns.empty()) request.query = "columns=" + std::string(columns);
  auto reply = Call(request);
  if (!reply) return tl::unexpected(reply.error());
  return std::move(reply->document);
}

}  // namespace warren::management
