// A SAX handler that builds the document itself, so that it sees every key before it is stored.
#include "policies/json.h"

#include <fmt/format.h>

#include <iterator>

namespace warren {
namespace {

using nlohmann::json;

/// Characters of the text; tells, through `furthest`, how far the parser has read.
class Cursor {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = char;
  using pointer = const char*;
  using reference = const char&;
  using iterator_category = std::forward_iterator_tag;

  Cursor() = default;
  Cursor(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    ++at_;
    if (furthest_ != nullptr) *furthest_ = at_;
    return *this;
  }
  Cursor operator++(int) {
    Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }

 private:
  const char* at_ = nullptr;
  const char** furthest_ = nullptr;
};

/// "line 2, column 5: " of the last character before `end`.
std::string Place(std::string_view read) {
  std::size_t line = 1;
  std::size_t column = 0;
  for (const char c : read) {
    ++column;
    if (c == '\n') {
      ++line;
      column = 0;
    }
  }
  return fmt::format("line {}, column {}", line, std::max<std::size_t>(column, 1));
}

/// nlohmann writes "[json.exception.parse_error.101] parse error at line 1, column 2: what"; keeps "what".
std::string_view Detail(std::string_view what) {
  const std::size_t column = what.find(", column ");
  const std::size_t colon = column == std::string_view::npos ? std::string_view::npos : what.find(": ", column);
  if (colon != std::string_view::npos) return what.substr(colon + 2);
  const std::size_t bracket = what.find("] ");
  return bracket == std::string_view::npos ? what : what.substr(bracket + 2);
}

class Builder : public json::json_sax_t {
 public:
  Builder(const char* begin, const char** furthest, JsonRules rules)
      : begin_(begin), furthest_(furthest), rules_(rules) {}

  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(json::number_integer_t value) override { return Put(value); }
  bool number_unsigned(json::number_unsigned_t value) override { return Put(value); }
  bool number_float(json::number_float_t value, const json::string_t&) override { return Put(value); }
  bool string(json::string_t& value) override { return Put(std::move(value)); }
  bool binary(json::binary_t&) override { return Refuse("binary data is not JSON"); }
  bool start_object(std::size_t) override { return Open(json::object()); }
  bool start_array(std::size_t) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(json::string_t& name) override {
    if (skipping_ > 0) return true;
    json& object = *open_.back();
    if (rules_ == JsonRules::kStrict && object.contains(name)) {
      return Refuse(fmt::format("the key {} is given twice in one object; give it once", JsonForMessage(name)));
    }
    slot_ = &object[name];
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    return Refuse(std::string(Detail(error.what())));
  }

  json&& TakeDocument() { return std::move(document_); }
  const std::string& error() const { return error_; }

 private:
  json* Store(json value) {
    if (open_.empty()) {
      document_ = std::move(value);
      return &document_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *slot_ = std::move(value);
    return slot_;
  }
  bool Put(json value) {
    if (skipping_ == 0) Store(std::move(value));
    return true;
  }
  bool Open(json container) {
    if (skipping_ == 0 && open_.size() < kMaxJsonDepth) {
      open_.push_back(Store(std::move(container)));
      return true;
    }
    if (rules_ == JsonRules::kStrict) {
      return Refuse(fmt::format("nested deeper than {} objects and arrays", kMaxJsonDepth));
    }
    if (skipping_++ == 0) Store(nullptr);
    return true;
  }
  bool Close() {
    if (skipping_ > 0) {
      --skipping_;
    } else {
      open_.pop_back();
    }
    return true;
  }
  bool Refuse(const std::string& message) {
    const auto read = static_cast<std::size_t>(*furthest_ - begin_);
    error_ = Place(std::string_view(begin_, read)) + ": " + message;
    return false;
  }

  const char* begin_;
  const char** furthest_;
  const JsonRules rules_;
  json document_;
  std::size_t skipping_ = 0;  ///< Containers open below the deepest level that is kept.
  std::vector<json*> open_;   ///< Containers not closed yet. A parent never grows while a child is open.
  json* slot_ = nullptr;      ///< Where the value of the last key goes.
  std::string error_;
};

}  // namespace

Result<json> ParseJson(std::string_view text, std::string_view context, JsonRules rules) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Fail(ErrorCode::kInvalid, "the text is empty; a JSON value is expected", std::string(context));
  }
  const char* furthest = text.data();
  Builder builder(text.data(), &furthest, rules);
  const bool parsed =
      json::sax_parse(Cursor(text.data(), &furthest), Cursor(text.data() + text.size(), nullptr), &builder);
  if (!parsed) return Fail(ErrorCode::kInvalid, "not valid JSON: " + builder.error(), std::string(context));
  return builder.TakeDocument();
}

std::string JsonForMessage(const json& value, std::size_t max_bytes) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= max_bytes) return text;
  std::size_t cut = max_bytes;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
  return text.substr(0, cut) + "…";
}

}  // namespace warren
