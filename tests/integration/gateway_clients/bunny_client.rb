# The script of every client here, with bunny: AMQP methods one after the other, and on standard output a line of JSON for
# each with what came back.
#
#     bunny_client.rb amqp://USER:PASSWORD@HOST:PORT/VHOST PREFIX
#
# All names begin with PREFIX; what is declared is deleted again. Run by test_gateway_clients.py.
require "bunny"
require "digest"
require "json"
require "timeout"

URL, PREFIX = ARGV
PATIENCE_S = 20
LARGE = (0..255).map(&:chr).join.b * 32_768
$stdout.sync = true

def say(step, **what)
  puts JSON.generate({ step: step }.merge(what))
end

def q(name) = "#{PREFIX}.#{name}"
def body_of(body) = "#{body.bytesize}:#{Digest::SHA256.hexdigest(body)[0, 16]}"

def connect(url = URL, **options)
  silent = Logger.new(IO::NULL)
  connection = Bunny.new(url, logger: silent, recover_from_connection_close: false, automatically_recover: false,
                              continuation_timeout: PATIENCE_S * 1000, connection_timeout: PATIENCE_S, **options)
  connection.start
end

# Records how a block is refused.
def refused(step, connection)
  yield connection.create_channel
  sleep 0.5
  say(step, accepted: true)
rescue Bunny::ChannelLevelException => e
  say(step, kind: e.class, text: e.message, code: e.channel_close.reply_code, open: connection.open?)
rescue Bunny::Exception => e
  say(step, kind: e.class, text: e.message, open: connection.open?)
end

def eventually
  Timeout.timeout(PATIENCE_S) { sleep 0.02 until yield }
end

def message(info, properties, body)
  field = ->(name) { info.respond_to?(name) ? info.public_send(name) : nil }
  { delivery: info.delivery_tag.to_i, again: info.redelivered, exchange: info.exchange, key: info.routing_key,
    tag: field.(:consumer_tag), left: field.(:message_count), properties: properties.to_hash, body: body_of(body) }
end

def declares(connection)
  server = connection.server_properties
  say("server", product: server["product"], version: server["version"], capabilities: server["capabilities"],
                mechanisms: connection.mechanism, channels: connection.channel_max, frame: connection.frame_max)
  channel = connection.create_channel
  { "plain" => {}, "durable" => { durable: true }, "" => { exclusive: true }, "short" => { auto_delete: true },
    "arguments" => { arguments: { "x-max-priority" => 3 } } }.each do |name, options|
    ok = channel.queue_declare(name.empty? ? "" : q(name), **options)
    say("declare", name: ok.queue, messages: ok.message_count, consumers: ok.consumer_count)
  end
  ok = channel.queue_declare(q("plain"), passive: true)
  say("passive", name: ok.queue, messages: ok.message_count, consumers: ok.consumer_count)
  refused("missing", connection) { |c| c.queue_declare(q("missing"), passive: true) }
  refused("other arguments", connection) { |c| c.queue(q("plain"), durable: true) }
  refused("bind missing", connection) { |c| c.queue_bind(q("missing"), "amq.topic", routing_key: "k") }
  channel.exchange_declare(q("topic"), "topic")
  say("bind", answer: channel.queue_bind(q("plain"), q("topic"), routing_key: "a.*.c").class)
  say("unbind", answer: channel.queue_unbind(q("plain"), q("topic"), routing_key: "a.*.c").class)
  channel.queue_bind(q("plain"), q("topic"), routing_key: "#.end")
end

def publishes(connection)
  channel = connection.create_channel
  channel.confirm_select
  returned = Queue.new
  back = channel.exchange_declare(q("topic"), "topic") && Bunny::Exchange.new(channel, :topic, q("topic"), no_declare: true)
  back.on_return { |info, properties, body| returned << [info.reply_code, info.reply_text, info.routing_key, properties.to_hash, body_of(body)] }
  back.publish("lost", routing_key: "nowhere", mandatory: true, message_id: "r", persistent: false)
  say("confirmed", all: channel.wait_for_confirms, nacked: channel.nacked_set.size)
  say("returned", what: Timeout.timeout(PATIENCE_S) { returned.pop })
  channel.basic_publish("all", q("topic"), "the.end",
                        content_type: "text/plain", content_encoding: "utf-8", priority: 4, correlation_id: "c", reply_to: "r",
                        expiration: "600000", message_id: "m", timestamp: 1_600_000_000, type: "t", user_id: "guest",
                        app_id: "a", cluster_id: "cl", delivery_mode: 2,
                        headers: { "text" => "täxt", "number" => 42, "big" => 2**40, "float" => 1.5, "yes" => true, "none" => nil,
                                   "list" => [1, "two"], "table" => { "inner" => { "most" => 1 } } })
  channel.basic_publish(LARGE, "", q("plain"), delivery_mode: 1)
  channel.basic_publish("", "", q("plain"))
  say("confirmed", all: channel.wait_for_confirms, next: channel.next_publish_seq_no)
  4.times do
    info, properties, body = channel.basic_get(q("plain"), manual_ack: true)
    say("get", got: info.respond_to?(:delivery_tag) ? message(info, properties, body) : info)
  end
  channel.ack(1)
  channel.nack(3, true, true)
  say("purge", messages: channel.queue_purge(q("plain")).message_count)
end

def consumes(connection)
  channel = connection.create_channel
  publisher = connection.create_channel
  publisher.confirm_select
  got = Queue.new
  cancelled = Queue.new
  channel.prefetch(3)
  consumer = Bunny::Consumer.new(channel, q("plain"), "mine", false)
  consumer.on_delivery { |info, properties, body| got << message(info, properties, body) }
  consumer.on_cancellation { |notice| cancelled << notice.consumer_tag }
  say("consume", tag: channel.basic_consume_with(consumer).consumer_tag)
  6.times { |number| publisher.basic_publish("m#{number}", "", q("plain")) }
  publisher.wait_for_confirms
  take = ->(count) { Array.new(count) { Timeout.timeout(PATIENCE_S) { got.pop } } }
  say("prefetch", got: take.(3))
  sleep 0.2
  say("no more", got: got.size)
  channel.reject(2, true)
  say("requeued", got: take.(1))
  channel.ack(4, true)
  say("the rest", got: take.(3))
  channel.basic_recover(true)
  say("recovered", got: take.(3))
  channel.ack(10, true)
  second = channel.basic_consume(q("plain"), "", true) { |info, properties, body| got << message(info, properties, body) }
  say("server's tag", tag: second.consumer_tag)
  say("cancel", answer: channel.basic_cancel("mine").consumer_tag)
  channel.basic_consume_with(consumer)
  channel.basic_cancel(second.consumer_tag)
  publisher.queue_delete(q("plain"))
  say("cancelled", tag: Timeout.timeout(PATIENCE_S) { cancelled.pop })
  publisher.queue_declare(q("plain"))
end

def transactions(connection)
  channel = connection.create_channel
  other = connection.create_channel
  count = -> { other.queue_declare(q("plain"), passive: true).message_count }
  say("select", answer: channel.tx_select.class)
  channel.basic_publish("one", "", q("plain"))
  channel.queue_declare(q("plain"), passive: true)
  say("before", messages: count.())
  say("commit", answer: channel.tx_commit.class, messages: count.())
  channel.basic_publish("two", "", q("plain"))
  say("rollback", answer: channel.tx_rollback.class, messages: count.())
  refused("confirms in a transaction", connection) { |c| c.tx_select && c.confirm_select }
end

def exclusives(connection, second)
  channel = connection.create_channel
  channel.queue_declare(q("own"), exclusive: true)
  refused("locked", second) { |c| c.queue_declare(q("own"), passive: true) }
  channel.basic_consume(q("plain"), "alone", true, true) { nil }
  refused("not alone", second) { |c| c.basic_consume(q("plain"), "late") { nil } }
  channel.basic_cancel("alone")
  got = Hash.new(0)
  { "low" => -1, "high" => 5 }.each do |tag, priority|
    channel.basic_consume(q("plain"), tag, true, false, { "x-priority" => priority }) { got[tag] += 1 }
  end
  publisher = connection.create_channel
  publisher.confirm_select
  5.times { publisher.basic_publish("x", "", q("plain")) }
  publisher.wait_for_confirms
  eventually { got.values.sum >= 5 }
  say("priorities", got: got)
  replies = Queue.new
  channel.basic_consume("amq.rabbitmq.reply-to", "r", true) { |info, properties, body| replies << message(info, properties, body) }
  channel.basic_publish("question", "", q("own"), reply_to: "amq.rabbitmq.reply-to")
  _, properties, = channel.basic_get(q("own"), manual_ack: false)
  publisher.basic_publish("answer", "", properties[:reply_to])
  say("replied", got: Timeout.timeout(PATIENCE_S) { replies.pop })
end

def deletes_and_errors(connection)
  channel = connection.create_channel
  channel.queue_declare(q("used"), exclusive: true)
  channel.basic_consume(q("used"), "user") { nil }
  refused("delete if unused", connection) { |c| c.queue_delete(q("used"), if_unused: true) }
  refused("wrong type", connection) { |c| c.exchange_declare(q("topic"), "fanout") }
  refused("unknown delivery tag", connection) do |c|
    c.basic_ack(99, false)
    eventually { c.closed? }
    c.queue_declare(q("used"), passive: true)
  end
  %w[plain durable arguments].each { |name| say("delete", messages: channel.queue_delete(q(name)).message_count) }
  say("delete exchange", answer: channel.exchange_delete(q("topic")).class)
  raw = connect
  doomed = raw.create_channel
  doomed.queue_declare(q("doomed"), exclusive: true)
  doomed.basic_consume(q("doomed"), "same") { nil }
  refused("duplicate tag", raw) { doomed.basic_consume(q("doomed"), "same") { nil } }
end

def logins
  { "wrong password" => { pass: "wrong" }, "missing vhost" => { vhost: q("vhost") } }.each do |step, changes|
    host = URI.parse(URL)
    begin
      connect({ host: host.host, port: host.port, user: "guest", pass: "guest" }.merge(changes))
      say(step, accepted: true)
    rescue Bunny::Exception => e
      say(step, kind: e.class, text: e.message)
    end
  end
end

connection, second = connect, connect
declares(connection)
publishes(connection)
consumes(connection)
transactions(connection)
exclusives(connection, second)
deletes_and_errors(connection)
connection.close
second.close
logins
say("end")
exit!(0) # At once: nothing is to be waited for.
