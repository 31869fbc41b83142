// The script of every client here, with amqp091-go: AMQP methods one after the other, and on standard output a line of JSON
// for each with what came back.
//
//	amqp091_client amqp://USER:PASSWORD@HOST:PORT/VHOST PREFIX
//
// All names begin with PREFIX; what is declared is deleted again. Compiled, and run, by test_gateway_clients.py.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const patience = 20 * time.Second

var prefix = os.Args[2]

type fields map[string]interface{}

func say(step string, what fields) {
	what["step"] = step
	line, err := json.Marshal(what)
	check(err)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func q(name string) string { return prefix + "." + name }

func bodyOf(body []byte) string { return fmt.Sprintf("%d:%x", len(body), sha256.Sum256(body))[:24] }

func connect() *amqp.Connection {
	connection, err := amqp.Dial(os.Args[1])
	check(err)
	return connection
}

func open(connection *amqp.Connection) *amqp.Channel {
	channel, err := connection.Channel()
	check(err)
	return channel
}

func errorOf(err error) fields {
	var known *amqp.Error
	if errors.As(err, &known) {
		return fields{"code": known.Code, "text": known.Reason, "server": known.Server}
	}
	return fields{"other": fmt.Sprint(err)}
}

// Records how a call is refused; a method that has no answer shows it by the channel's end.
func refused(step string, connection *amqp.Connection, call func(*amqp.Channel) error) {
	channel := open(connection)
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	err := call(channel)
	if err == nil {
		select {
		case end := <-closed:
			err = end
		case <-time.After(patience):
		}
	}
	said := errorOf(err)
	said["connection"] = !connection.IsClosed()
	say(step, said)
}

func delivery(message amqp.Delivery) fields {
	return fields{"tag": message.ConsumerTag, "delivery": message.DeliveryTag, "again": message.Redelivered, "left": message.MessageCount,
		"exchange": message.Exchange, "key": message.RoutingKey, "body": bodyOf(message.Body), "headers": message.Headers,
		"properties": []interface{}{message.ContentType, message.ContentEncoding, message.DeliveryMode, message.Priority,
			message.CorrelationId, message.ReplyTo, message.Expiration, message.MessageId, message.Timestamp.Unix(), message.Type,
			message.UserId, message.AppId}}
}

func take(from <-chan amqp.Delivery, count int) []fields {
	taken := []fields{}
	for len(taken) < count {
		select {
		case message, there := <-from:
			if !there {
				return append(taken, fields{"ended": true})
			}
			taken = append(taken, delivery(message))
		case <-time.After(patience):
			return append(taken, fields{"nothing came": true})
		}
	}
	return taken
}

func queue(name string, queue amqp.Queue, err error) {
	check(err)
	say(name, fields{"name": queue.Name, "messages": queue.Messages, "consumers": queue.Consumers})
}

func declares(connection *amqp.Connection) {
	say("server", fields{"product": connection.Properties["product"], "version": connection.Properties["version"],
		"capabilities": connection.Properties["capabilities"], "channels": connection.Config.ChannelMax,
		"frame": connection.Config.FrameSize, "heartbeat": connection.Config.Heartbeat, "major": connection.Major, "minor": connection.Minor,
		"locales": connection.Locales})
	channel := open(connection)
	made, err := channel.QueueDeclare(q("plain"), false, false, false, false, nil)
	queue("declare", made, err)
	made, err = channel.QueueDeclare("", false, false, true, false, amqp.Table{"x-expires": int32(600000)})
	queue("declare", made, err)
	made, err = channel.QueueDeclare(q("durable"), true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	queue("declare", made, err)
	made, err = channel.QueueDeclarePassive(q("plain"), false, false, false, false, nil)
	queue("passive", made, err)
	_, err = channel.QueueDeclare(q("silent"), false, true, true, true, nil)
	check(err)
	made, err = channel.QueueInspect(q("silent"))
	queue("inspect", made, err)
	refused("missing", connection, func(c *amqp.Channel) error { _, err := c.QueueInspect(q("missing")); return err })
	refused("other arguments", connection, func(c *amqp.Channel) error {
		_, err := c.QueueDeclare(q("plain"), false, false, false, false, amqp.Table{"x-max-length": int32(5)})
		return err
	})
	refused("reserved name", connection, func(c *amqp.Channel) error {
		_, err := c.QueueDeclare("amq.mine", false, false, false, true, nil)
		return err
	})
	refused("bind missing", connection, func(c *amqp.Channel) error { return c.QueueBind(q("plain"), "k", q("nowhere"), false, nil) })
	refused("get missing", connection, func(c *amqp.Channel) error { _, _, err := c.Get(q("missing"), true); return err })
	check(channel.ExchangeDeclare(q("topic"), "topic", false, false, false, false, nil))
	check(channel.ExchangeDeclare(q("inner"), "fanout", false, true, false, true, nil))
	check(channel.ExchangeBind(q("inner"), "x.#", q("topic"), false, nil))
	check(channel.QueueBind(q("plain"), "", q("inner"), false, nil))
	refused("purge missing", connection, func(c *amqp.Channel) error { _, err := c.QueuePurge(q("missing"), false); return err })
}

func publishes(connection *amqp.Connection) {
	channel := open(connection)
	check(channel.Confirm(false))
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 20))
	returns := channel.NotifyReturn(make(chan amqp.Return, 20))
	large := bytes.Repeat([]byte("0123456789abcdef"), 512*1024)
	all := amqp.Publishing{ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 3, CorrelationId: "c", ReplyTo: "r",
		Expiration: "600000", MessageId: "m", Timestamp: time.Unix(1600000000, 0), Type: "t", UserId: "guest", AppId: "a",
		Body: []byte("all"), Headers: amqp.Table{"text": "täxt", "number": int64(1) << 40, "small": int16(3), "float": 2.5, "yes": true,
			"nothing": nil, "bytes": []byte{0, 255}, "time": time.Unix(1600000000, 0).UTC(), "decimal": amqp.Decimal{Scale: 2, Value: 314},
			"list": []interface{}{int32(1), "two"}, "table": amqp.Table{"inner": amqp.Table{"most": int32(1)}}}}
	check(channel.Publish(q("topic"), "x.y.z", true, false, all))
	check(channel.Publish("", q("plain"), true, false, amqp.Publishing{Body: large}))
	check(channel.Publish("", q("plain"), false, false, amqp.Publishing{}))
	check(channel.Publish(q("topic"), "nowhere", true, false, amqp.Publishing{MessageId: "back", Body: []byte("back")}))
	for i := 0; i < 4; i++ {
		confirm := <-confirms
		say("confirm", fields{"delivery": confirm.DeliveryTag, "ack": confirm.Ack})
	}
	back := <-returns
	say("returned", fields{"code": back.ReplyCode, "text": back.ReplyText, "key": back.RoutingKey, "exchange": back.Exchange,
		"id": back.MessageId, "body": bodyOf(back.Body)})
	for i := 0; i < 4; i++ {
		message, there, err := channel.Get(q("plain"), false)
		check(err)
		if there {
			say("get", delivery(message))
		} else {
			say("get-empty", fields{})
		}
	}
	check(channel.Ack(2, true))
	check(channel.Nack(3, false, true))
	purged, err := channel.QueuePurge(q("plain"), false)
	check(err)
	say("purge", fields{"messages": purged})
}

func consumes(connection *amqp.Connection) {
	channel, publisher := open(connection), open(connection)
	check(publisher.Confirm(false))
	confirms := publisher.NotifyPublish(make(chan amqp.Confirmation, 20))
	for i := 0; i < 7; i++ {
		check(publisher.Publish("", q("plain"), false, false, amqp.Publishing{Body: []byte{byte('a' + i)}}))
		<-confirms
	}
	check(channel.Qos(3, 0, false))
	messages, err := channel.Consume(q("plain"), "mine", false, false, false, false, nil)
	check(err)
	say("prefetch", fields{"got": take(messages, 3)})
	check(channel.Reject(2, true))
	say("again", fields{"got": take(messages, 1)})
	check(channel.Nack(1, false, false))
	say("next", fields{"got": take(messages, 1)})
	check(channel.Ack(0, true))
	say("rest", fields{"got": take(messages, 3)})
	check(channel.Ack(7, true))
	check(channel.Recover(true))
	say("recovered", fields{"got": take(messages, 1)})
	check(channel.Cancel("mine", false))
	say("cancelled here", fields{"got": take(messages, 1)})
	cancels := channel.NotifyCancel(make(chan string, 5))
	messages, err = channel.Consume(q("plain"), "", true, false, false, false, nil)
	check(err)
	_, err = publisher.QueueDelete(q("plain"), false, false, false)
	check(err)
	select {
	case tag := <-cancels:
		say("cancelled there", fields{"named": tag != ""})
	case <-time.After(patience):
		say("no notice", fields{})
	}
	say("ended", fields{"got": take(messages, 1)})
	_, err = publisher.QueueDeclare(q("plain"), false, false, false, false, nil)
	check(err)
}

func transactions(connection *amqp.Connection) {
	channel := open(connection)
	check(channel.Tx())
	for _, commit := range []bool{true, false} {
		check(channel.Publish("", q("plain"), false, false, amqp.Publishing{Body: []byte("tx")}))
		if commit {
			check(channel.TxCommit())
		} else {
			check(channel.TxRollback())
		}
		found, err := channel.QueueInspect(q("plain"))
		queue(fmt.Sprintf("commit %v", commit), found, err)
	}
	refused("confirms in a transaction", connection, func(c *amqp.Channel) error { check(c.Tx()); return c.Confirm(false) })
	refused("commit without", connection, func(c *amqp.Channel) error { return c.TxCommit() })
}

func exclusives(connection, second *amqp.Connection) {
	channel, other := open(connection), open(second)
	_, err := channel.QueueDeclare(q("own"), false, false, true, false, nil)
	check(err)
	refused("locked", second, func(c *amqp.Channel) error { _, err := c.QueueDelete(q("own"), false, false, false); return err })
	_, err = channel.Consume(q("plain"), "alone", true, true, false, false, nil)
	check(err)
	refused("not alone", second, func(c *amqp.Channel) error {
		_, err := c.Consume(q("plain"), "late", true, false, false, false, nil)
		return err
	})
	check(channel.Cancel("alone", false))
	low, err := channel.Consume(q("plain"), "low", true, false, false, false, amqp.Table{"x-priority": int32(-5)})
	check(err)
	high, err := other.Consume(q("plain"), "high", true, false, false, false, amqp.Table{"x-priority": int32(5)})
	check(err)
	for i := 0; i < 5; i++ {
		check(channel.Publish("", q("plain"), false, false, amqp.Publishing{Body: []byte("first")}))
	}
	say("priorities", fields{"high": len(take(high, 5)), "low": len(low)})
	replies, err := channel.Consume("amq.rabbitmq.reply-to", "r", true, false, false, false, nil)
	check(err)
	check(channel.Publish("", q("own"), false, false, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", Body: []byte("question")}))
	request, _, err := channel.Get(q("own"), true)
	check(err)
	check(other.Publish("", request.ReplyTo, false, false, amqp.Publishing{Body: []byte("answer")}))
	say("replied", fields{"got": take(replies, 1)})
}

func deletesAndErrors(connection *amqp.Connection) {
	channel := open(connection)
	refused("unknown delivery tag", connection, func(c *amqp.Channel) error { return c.Ack(99, false) })
	refused("wrong type", connection, func(c *amqp.Channel) error {
		return c.ExchangeDeclare(q("topic"), "direct", false, false, false, false, nil)
	})
	refused("delete if unused", connection, func(c *amqp.Channel) error { _, err := c.QueueDelete(q("plain"), true, false, false); return err })
	for _, name := range []string{"plain", "durable"} {
		count, err := channel.QueueDelete(q(name), false, false, false)
		check(err)
		say("delete", fields{"messages": count})
	}
	check(channel.ExchangeDelete(q("topic"), false, false))
	third := connect()
	closed := third.NotifyClose(make(chan *amqp.Error, 1))
	refused("immediate", third, func(c *amqp.Channel) error { return c.Publish("", "x", false, true, amqp.Publishing{}) })
	say("immediate ends the connection", errorOf(<-closed))
}

func logins() {
	address, err := url.Parse(os.Args[1])
	check(err)
	wrong, missing := *address, *address
	wrong.User = url.UserPassword("guest", "wrong")
	missing.Path, missing.RawPath = "/"+q("vhost"), ""
	for _, to := range []url.URL{wrong, missing} {
		_, err := amqp.Dial(to.String())
		say("login", errorOf(err))
	}
}

func main() {
	connection, second := connect(), connect()
	declares(connection)
	publishes(connection)
	consumes(connection)
	transactions(connection)
	exclusives(connection, second)
	deletesAndErrors(connection)
	check(connection.Close())
	check(second.Close())
	logins()
	say("end", fields{})
}
