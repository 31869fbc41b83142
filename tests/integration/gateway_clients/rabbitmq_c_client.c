/* The script of every client here, with rabbitmq-c: methods are sent one after the other, and each frame that comes back is
 * a line of JSON on standard output, so that not only the answers but their order on the wire is recorded.
 *
 *     rabbitmq_c_client HOST PORT PREFIX
 *
 * All names begin with PREFIX; what is declared is deleted again. Run, and compiled, by test_gateway_clients.py. */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kPatienceSeconds = 20, kLarge = 8 << 20 };

static const char *host, *prefix;
static int port;

static amqp_bytes_t B(const char* text) { return amqp_cstring_bytes(text); }

/* A name of this run; lives for ever. */
static amqp_bytes_t Q(const char* name) {
  char* text = malloc(strlen(prefix) + strlen(name) + 2);
  sprintf(text, "%s.%s", prefix, name);
  return B(text);
}

static void PrintBytes(amqp_bytes_t bytes) {
  putchar('"');
  for (size_t i = 0; i < bytes.len; ++i) {
    unsigned char byte = ((unsigned char*)bytes.bytes)[i];
    const int plain = byte >= 32 && byte <= 126 && byte != '"' && byte != '\\';
    printf(plain ? "%c" : "\\u%04x", byte);
  }
  putchar('"');
}

static void Field(const char* name, amqp_bytes_t bytes) {
  printf(",\"%s\":", name);
  PrintBytes(bytes);
}

static void Number(const char* name, unsigned long long value) { printf(",\"%s\":%llu", name, value); }

static void PrintTable(amqp_table_t table);

static void PrintValue(amqp_field_value_t value) {
  printf("{\"%c\":", value.kind);
  if (value.kind == AMQP_FIELD_KIND_UTF8 || value.kind == AMQP_FIELD_KIND_BYTES) {
    PrintBytes(value.value.bytes);
  } else if (value.kind == AMQP_FIELD_KIND_TABLE) {
    PrintTable(value.value.table);
  } else if (value.kind == AMQP_FIELD_KIND_BOOLEAN) {
    printf("%d", value.value.boolean);
  } else if (value.kind == AMQP_FIELD_KIND_I32) {
    printf("%d", value.value.i32);
  } else {
    printf("%lld", (long long)value.value.i64);
  }
  printf("}");
}

static void PrintTable(amqp_table_t table) {
  printf("{");
  for (int i = 0; i < table.num_entries; ++i) {
    printf("%s", i ? "," : "");
    PrintBytes(table.entries[i].key);
    printf(":");
    PrintValue(table.entries[i].value);
  }
  printf("}");
}

static void PrintProperties(const amqp_basic_properties_t* all) {
  Number("flags", all->_flags);
  const struct {
    const char* name;
    amqp_flags_t flag;
    amqp_bytes_t text;
  } texts[] = {{"content_type", AMQP_BASIC_CONTENT_TYPE_FLAG, all->content_type},
               {"content_encoding", AMQP_BASIC_CONTENT_ENCODING_FLAG, all->content_encoding},
               {"correlation_id", AMQP_BASIC_CORRELATION_ID_FLAG, all->correlation_id},
               {"reply_to", AMQP_BASIC_REPLY_TO_FLAG, all->reply_to},
               {"expiration", AMQP_BASIC_EXPIRATION_FLAG, all->expiration},
               {"message_id", AMQP_BASIC_MESSAGE_ID_FLAG, all->message_id},
               {"type", AMQP_BASIC_TYPE_FLAG, all->type},
               {"user_id", AMQP_BASIC_USER_ID_FLAG, all->user_id},
               {"app_id", AMQP_BASIC_APP_ID_FLAG, all->app_id},
               {"cluster_id", AMQP_BASIC_CLUSTER_ID_FLAG, all->cluster_id}};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
    if (all->_flags & texts[i].flag) Field(texts[i].name, texts[i].text);
  }
  if (all->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG) Number("delivery_mode", all->delivery_mode);
  if (all->_flags & AMQP_BASIC_PRIORITY_FLAG) Number("priority", all->priority);
  if (all->_flags & AMQP_BASIC_TIMESTAMP_FLAG) Number("timestamp", all->timestamp);
  if (all->_flags & AMQP_BASIC_HEADERS_FLAG) {
    printf(",\"headers\":");
    PrintTable(all->headers);
  }
}

static void PrintMethod(const amqp_method_t* method) {
  const char* name = amqp_method_name(method->id);
  printf(",\"method\":\"%s\"", name ? name : "?");
  if (method->id == AMQP_CHANNEL_CLOSE_METHOD || method->id == AMQP_CONNECTION_CLOSE_METHOD) {
    const amqp_channel_close_t* close = method->decoded; /* Both begin alike. */
    Number("code", close->reply_code);
    Field("text", close->reply_text);
    Number("class_id", close->class_id);
    Number("method_id", close->method_id);
  } else if (method->id == AMQP_QUEUE_DECLARE_OK_METHOD) {
    const amqp_queue_declare_ok_t* ok = method->decoded;
    Field("queue", ok->queue);
    Number("messages", ok->message_count);
    Number("consumers", ok->consumer_count);
  } else if (method->id == AMQP_QUEUE_PURGE_OK_METHOD || method->id == AMQP_QUEUE_DELETE_OK_METHOD) {
    Number("messages", ((const amqp_queue_purge_ok_t*)method->decoded)->message_count);
  } else if (method->id == AMQP_BASIC_CONSUME_OK_METHOD || method->id == AMQP_BASIC_CANCEL_OK_METHOD ||
             method->id == AMQP_BASIC_CANCEL_METHOD) {
    Field("tag", ((const amqp_basic_consume_ok_t*)method->decoded)->consumer_tag);
  } else if (method->id == AMQP_BASIC_DELIVER_METHOD) {
    const amqp_basic_deliver_t* deliver = method->decoded;
    Field("tag", deliver->consumer_tag);
    Number("delivery", deliver->delivery_tag);
    Number("again", deliver->redelivered);
    Field("exchange", deliver->exchange);
    Field("key", deliver->routing_key);
  } else if (method->id == AMQP_BASIC_GET_OK_METHOD) {
    const amqp_basic_get_ok_t* ok = method->decoded;
    Number("delivery", ok->delivery_tag);
    Number("again", ok->redelivered);
    Number("left", ok->message_count);
    Field("key", ok->routing_key);
  } else if (method->id == AMQP_BASIC_RETURN_METHOD) {
    const amqp_basic_return_t* back = method->decoded;
    Number("code", back->reply_code);
    Field("text", back->reply_text);
    Field("exchange", back->exchange);
    Field("key", back->routing_key);
  }
}

/* The reply address of the last message that had one. */
static amqp_bytes_t reply_to;

/* Reads and records one frame; a message's body is one line however many frames it has. 0: nothing more comes. */
static int ReadOne(amqp_connection_state_t connection, int seconds, amqp_method_number_t* id) {
  static unsigned long long left, length, hash;
  struct timeval timeout = {seconds, 0};
  amqp_frame_t frame;
  int status = amqp_simple_wait_frame_noblock(connection, &frame, &timeout);
  *id = 0;
  if (status != AMQP_STATUS_OK) {
    if (seconds > 1) printf("{\"ended\":\"%s\"}\n", amqp_error_string2(status));
    return 0;
  }
  if (frame.frame_type == AMQP_FRAME_BODY) {
    const unsigned char* bytes = frame.payload.body_fragment.bytes;
    for (size_t i = 0; i < frame.payload.body_fragment.len; ++i) hash = (hash ^ bytes[i]) * 1099511628211ULL;
    left -= frame.payload.body_fragment.len;
    if (left == 0) printf("{\"channel\":%d,\"body\":\"%llu:%llx\"}\n", frame.channel, length, hash);
    return 1;
  }
  printf("{\"channel\":%d", frame.channel);
  if (frame.frame_type == AMQP_FRAME_METHOD) {
    *id = frame.payload.method.id;
    PrintMethod(&frame.payload.method);
  } else if (frame.frame_type == AMQP_FRAME_HEADER) {
    const amqp_basic_properties_t* properties = frame.payload.properties.decoded;
    left = length = frame.payload.properties.body_size;
    hash = 14695981039346656037ULL;
    Number("size", length);
    PrintProperties(properties);
    if (properties->_flags & AMQP_BASIC_REPLY_TO_FLAG) reply_to = amqp_bytes_malloc_dup(properties->reply_to);
  }
  printf("}\n");
  return 1;
}

/* Records frames up to the first of this method, or up to the body of it. */
static void Until(amqp_connection_state_t connection, amqp_method_number_t wanted) {
  amqp_method_number_t id = 0;
  while (ReadOne(connection, kPatienceSeconds, &id) && id != wanted) {
    if (id == AMQP_CHANNEL_CLOSE_METHOD) {
      amqp_channel_close_ok_t ok = {0};
      amqp_send_method(connection, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
      return;
    }
    if (id == AMQP_CONNECTION_CLOSE_METHOD) return;
  }
}

/* `count` messages, each with header and body. */
static void Messages(amqp_connection_state_t connection, int count, amqp_method_number_t kind) {
  for (int i = 0; i < count; ++i) {
    Until(connection, kind);
    for (amqp_method_number_t id, part = 0; part < 2; ++part) ReadOne(connection, kPatienceSeconds, &id);
  }
}

static void Step(const char* name) { printf("{\"step\":\"%s\"}\n", name); }

static amqp_connection_state_t Connect(const char* password, const char* vhost) {
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t* socket = amqp_tcp_socket_new(connection);
  if (amqp_socket_open(socket, host, port) != AMQP_STATUS_OK) exit(69);
  amqp_table_entry_t can[2] = {{B("consumer_cancel_notify"), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}},
                               {B("authentication_failure_close"), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}}};
  amqp_table_entry_t entry = {B("capabilities"), {AMQP_FIELD_KIND_TABLE, {.table = {2, can}}}};
  amqp_table_t properties = {1, &entry};
  amqp_rpc_reply_t reply = amqp_login_with_properties(connection, vhost, 0, 131072, 60, &properties,
                                                      AMQP_SASL_METHOD_PLAIN, "guest", password);
  printf("{\"login\":%d,\"channels\":%d,\"frame\":%d,\"heartbeat\":%d", reply.reply_type,
         amqp_get_channel_max(connection), amqp_get_frame_max(connection), amqp_get_heartbeat(connection));
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) PrintMethod(&reply.reply);
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
    printf(",\"error\":\"%s\"", amqp_error_string2(reply.library_error));
  }
  printf("}\n");
  return connection;
}

#define CALL(connection, ID, TYPE, ...)                      \
  do {                                                       \
    TYPE arguments = {__VA_ARGS__};                          \
    amqp_send_method(connection, 1, ID##_METHOD, &arguments); \
  } while (0)
#define ASK(connection, ID, TYPE, ...)              \
  do {                                              \
    CALL(connection, ID, TYPE, __VA_ARGS__);        \
    Until(connection, ID##_OK_METHOD);              \
  } while (0)
/* One that is refused, and a new channel. */
#define REFUSED(connection, ID, TYPE, ...)                       \
  do {                                                           \
    CALL(connection, ID, TYPE, __VA_ARGS__);                     \
    Until(connection, AMQP_CHANNEL_CLOSE_METHOD);                \
    amqp_channel_close_ok_t closed = {0};                        \
    amqp_send_method(connection, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed); \
    ASK(connection, AMQP_CHANNEL_OPEN, amqp_channel_open_t, .out_of_band = amqp_empty_bytes); \
  } while (0)

static void Publish(amqp_connection_state_t c, amqp_bytes_t exchange, amqp_bytes_t key, amqp_bytes_t body,
                    const amqp_basic_properties_t* properties, int mandatory) {
  amqp_basic_publish(c, 1, exchange, key, mandatory, 0, properties, body);
}

static void Declares(amqp_connection_state_t c) {
  Step("declares");
  amqp_table_entry_t limit = {B("x-max-length"), {AMQP_FIELD_KIND_I32, {.i32 = 10}}};
  amqp_table_t limits = {1, &limit};
  ASK(c, AMQP_CHANNEL_OPEN, amqp_channel_open_t, .out_of_band = amqp_empty_bytes);
  ASK(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("plain"));
  ASK(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = amqp_empty_bytes, .exclusive = 1);
  ASK(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("own"), .exclusive = 1, .arguments = limits);
  ASK(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("plain"), .passive = 1);
  CALL(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("silent"), .exclusive = 1, .nowait = 1);
  ASK(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("silent"), .passive = 1);
  REFUSED(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("missing"), .passive = 1);
  REFUSED(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("missing"), .passive = 1, .nowait = 1);
  REFUSED(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("plain"), .durable = 1);
  REFUSED(c, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = Q("missing"), .consumer_tag = B("x"));
  ASK(c, AMQP_EXCHANGE_DECLARE, amqp_exchange_declare_t, .exchange = Q("topic"), .type = B("topic"));
  ASK(c, AMQP_QUEUE_BIND, amqp_queue_bind_t, .queue = Q("plain"), .exchange = Q("topic"), .routing_key = B("a.#"));
  CALL(c, AMQP_QUEUE_BIND, amqp_queue_bind_t, .queue = Q("plain"), .exchange = B("amq.direct"), .routing_key = Q("d"),
       .nowait = 1);
  REFUSED(c, AMQP_QUEUE_BIND, amqp_queue_bind_t, .queue = Q("plain"), .exchange = Q("nowhere"), .routing_key = B("k"));
}

static void Publishes(amqp_connection_state_t c) {
  Step("publishes");
  amqp_table_entry_t inner = {B("inner"), {AMQP_FIELD_KIND_I64, {.i64 = 1LL << 40}}};
  amqp_table_entry_t headers[3] = {{B("text"), {AMQP_FIELD_KIND_UTF8, {.bytes = B("t\xc3\xa4xt")}}},
                                   {B("table"), {AMQP_FIELD_KIND_TABLE, {.table = {1, &inner}}}},
                                   {B("yes"), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}}};
  amqp_basic_properties_t all = {
      ._flags = 0xfffc, .content_type = B("text/plain"), .content_encoding = B("utf-8"), .headers = {3, headers},
      .delivery_mode = 2, .priority = 9, .correlation_id = B("c"), .reply_to = B("somewhere"), .expiration = B("600000"),
      .message_id = B("m"), .timestamp = 1600000000, .type = B("t"), .user_id = B("guest"), .app_id = B("a"),
      .cluster_id = B("cl")};
  amqp_basic_properties_t none = {0};
  amqp_bytes_t large = amqp_bytes_malloc(kLarge);
  for (int i = 0; i < kLarge; ++i) ((unsigned char*)large.bytes)[i] = (unsigned char)(i * 7 + i / 256);
  CALL(c, AMQP_CONFIRM_SELECT, amqp_confirm_select_t, .nowait = 0);
  Until(c, AMQP_CONFIRM_SELECT_OK_METHOD);
  Publish(c, Q("topic"), B("a.b"), B("all"), &all, 1);
  Until(c, AMQP_BASIC_ACK_METHOD);
  Publish(c, B("amq.direct"), Q("d"), large, &none, 0);
  Until(c, AMQP_BASIC_ACK_METHOD);
  Publish(c, B("amq.direct"), Q("no such key"), B("back"), &all, 1);
  Until(c, AMQP_BASIC_ACK_METHOD);
  Publish(c, amqp_empty_bytes, Q("plain"), B("third"), &none, 1);
  Until(c, AMQP_BASIC_ACK_METHOD);
  for (int i = 0; i < 3; ++i) {
    CALL(c, AMQP_BASIC_GET, amqp_basic_get_t, .queue = Q("plain"));
    Messages(c, 1, AMQP_BASIC_GET_OK_METHOD);
    /* The body of 8 MiB came in many frames. */
    const unsigned more = i == 1 ? (kLarge + 131063) / 131064 - 1 : 0;
    for (amqp_method_number_t id, frames = 0; frames < more; ++frames) ReadOne(c, kPatienceSeconds, &id);
  }
  CALL(c, AMQP_BASIC_GET, amqp_basic_get_t, .queue = Q("plain"));
  Until(c, AMQP_BASIC_GET_EMPTY_METHOD);
  CALL(c, AMQP_BASIC_ACK, amqp_basic_ack_t, .delivery_tag = 2, .multiple = 1);
  CALL(c, AMQP_BASIC_NACK, amqp_basic_nack_t, .delivery_tag = 3, .requeue = 1);
  ASK(c, AMQP_QUEUE_UNBIND, amqp_queue_unbind_t, .queue = Q("plain"), .exchange = B("amq.direct"), .routing_key = Q("d"));
  ASK(c, AMQP_QUEUE_PURGE, amqp_queue_purge_t, .queue = Q("plain"));
  amqp_bytes_free(large);
}

static void Consumes(amqp_connection_state_t c) {
  Step("consumes");
  amqp_basic_properties_t none = {0};
  for (int i = 0; i < 4; ++i) {
    Publish(c, amqp_empty_bytes, Q("plain"), B("abcd"), &none, 0);
    Until(c, AMQP_BASIC_ACK_METHOD);
  }
  ASK(c, AMQP_BASIC_QOS, amqp_basic_qos_t, .prefetch_count = 2);
  ASK(c, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = Q("plain"), .consumer_tag = amqp_empty_bytes);
  Messages(c, 2, AMQP_BASIC_DELIVER_METHOD);
  CALL(c, AMQP_BASIC_REJECT, amqp_basic_reject_t, .delivery_tag = 5, .requeue = 1);
  Messages(c, 1, AMQP_BASIC_DELIVER_METHOD);
  CALL(c, AMQP_BASIC_ACK, amqp_basic_ack_t, .delivery_tag = 0, .multiple = 1);
  Messages(c, 2, AMQP_BASIC_DELIVER_METHOD);
  ASK(c, AMQP_BASIC_RECOVER, amqp_basic_recover_t, .requeue = 1);
  Messages(c, 2, AMQP_BASIC_DELIVER_METHOD);
  ASK(c, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = Q("own"), .consumer_tag = B("two"), .no_ack = 1);
  ASK(c, AMQP_BASIC_CANCEL, amqp_basic_cancel_t, .consumer_tag = B("two"));
  ASK(c, AMQP_BASIC_CANCEL, amqp_basic_cancel_t, .consumer_tag = B("never was"));
  ASK(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("plain"), .passive = 1);
  CALL(c, AMQP_QUEUE_DELETE, amqp_queue_delete_t, .queue = Q("plain"), .nowait = 1);
  Until(c, AMQP_BASIC_CANCEL_METHOD);
  REFUSED(c, AMQP_BASIC_ACK, amqp_basic_ack_t, .delivery_tag = 77);
  REFUSED(c, AMQP_BASIC_GET, amqp_basic_get_t, .queue = Q("plain"));
}

static void TransactionsAndReplies(amqp_connection_state_t c) {
  Step("transactions");
  amqp_basic_properties_t none = {0};
  amqp_basic_properties_t asks = {._flags = AMQP_BASIC_REPLY_TO_FLAG, .reply_to = B("amq.rabbitmq.reply-to")};
  char nothing[8] = {0}; /* The arguments of all three methods of transactions. */
  amqp_send_method(c, 1, AMQP_TX_SELECT_METHOD, nothing);
  Until(c, AMQP_TX_SELECT_OK_METHOD);
  for (int i = 0; i < 2; ++i) {
    Publish(c, amqp_empty_bytes, Q("own"), B("tx"), &none, 0);
    amqp_send_method(c, 1, i ? AMQP_TX_ROLLBACK_METHOD : AMQP_TX_COMMIT_METHOD, nothing);
    Until(c, i ? AMQP_TX_ROLLBACK_OK_METHOD : AMQP_TX_COMMIT_OK_METHOD);
    ASK(c, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("own"), .passive = 1);
  }
  Step("replies");
  CALL(c, AMQP_CHANNEL_CLOSE, amqp_channel_close_t, .reply_code = 200, .reply_text = B("done"));
  Until(c, AMQP_CHANNEL_CLOSE_OK_METHOD);
  ASK(c, AMQP_CHANNEL_OPEN, amqp_channel_open_t, .out_of_band = amqp_empty_bytes);
  ASK(c, AMQP_QUEUE_PURGE, amqp_queue_purge_t, .queue = Q("own"));
  ASK(c, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = B("amq.rabbitmq.reply-to"), .consumer_tag = B("r"), .no_ack = 1);
  Publish(c, amqp_empty_bytes, Q("own"), B("question"), &asks, 0);
  CALL(c, AMQP_BASIC_GET, amqp_basic_get_t, .queue = Q("own"), .no_ack = 1);
  Messages(c, 1, AMQP_BASIC_GET_OK_METHOD);
  Publish(c, amqp_empty_bytes, reply_to, B("answer"), &none, 0);
  Messages(c, 1, AMQP_BASIC_DELIVER_METHOD);
}

static void Others(amqp_connection_state_t c) {
  Step("a second connection");
  amqp_connection_state_t second = Connect("guest", "/");
  ASK(second, AMQP_CHANNEL_OPEN, amqp_channel_open_t, .out_of_band = amqp_empty_bytes);
  REFUSED(second, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("own"), .exclusive = 1);
  ASK(c, AMQP_EXCHANGE_DELETE, amqp_exchange_delete_t, .exchange = Q("topic"));
  ASK(second, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("shared"), .auto_delete = 1);
  ASK(c, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = Q("shared"), .consumer_tag = B("x"), .exclusive = 1);
  REFUSED(second, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = Q("shared"), .consumer_tag = B("y"));
  CALL(c, AMQP_QUEUE_DELETE, amqp_queue_delete_t, .queue = Q("shared"), .nowait = 1);
  Until(c, AMQP_BASIC_CANCEL_METHOD);
  ASK(second, AMQP_QUEUE_DECLARE, amqp_queue_declare_t, .queue = Q("twice"), .exclusive = 1);
  ASK(second, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = Q("twice"), .consumer_tag = B("z"));
  CALL(second, AMQP_BASIC_CONSUME, amqp_basic_consume_t, .queue = Q("twice"), .consumer_tag = B("z"));
  Until(second, AMQP_CONNECTION_CLOSE_METHOD);
  amqp_destroy_connection(second);
  Step("logins");
  amqp_destroy_connection(Connect("wrong", "/"));
  amqp_destroy_connection(Connect("guest", (const char*)Q("vhost").bytes));
}

int main(int count, char** arguments) {
  if (count != 4) return 64;
  host = arguments[1];
  port = atoi(arguments[2]);
  prefix = arguments[3];
  amqp_connection_state_t c = Connect("guest", "/");
  Declares(c);
  Publishes(c);
  Consumes(c);
  TransactionsAndReplies(c);
  Others(c);
  amqp_connection_close(c, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(c);
  Step("end");
  return 0;
}
