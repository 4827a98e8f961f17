// 50 strategies that follow one symbol each, and ask once a second whether the lab is there.
//
//   k6 run -e TARGET=ws://127.0.0.1:9400/ws k6.js
import { WebSocket } from 'k6/websockets';
import exec from 'k6/execution';
import { Counter, Rate, Trend } from 'k6/metrics';

const tickAge = new Trend('tick_age', true);
const pingTime = new Trend('ping_time', true);
const gaps = new Counter('tick_gaps');
const connected = new Rate('connected');

const SYMBOLS = ['ES', 'NQ'];
const HELD_MS = Number(__ENV.HELD_S || 60) * 1000;

export const options = {
  scenarios: {
    strategies: {
      executor: 'ramping-vus',
      startVUs: 1,
      stages: [
        { duration: '10s', target: 50 },
        { duration: '60s', target: 50 },
        { duration: '10s', target: 0 },
      ],
      gracefulRampDown: '5s',
    },
  },
  thresholds: {
    connected: ['rate>0.99'],
    ping_time: ['p(99)<100'],
    tick_age: ['p(99)<100'],
    tick_gaps: ['count==0'],
  },
};

export default function () {
  const symbol = SYMBOLS[exec.vu.idInTest % SYMBOLS.length];
  const socket = new WebSocket(__ENV.TARGET || 'ws://127.0.0.1:9400/ws');
  let last = null;
  let asked = 0;
  let opened = false;

  socket.onopen = () => {
    opened = true;
    connected.add(true);
    socket.send(JSON.stringify({ type: 'subscribe', channel: symbol }));
    const pings = setInterval(() => {
      asked += 1;
      socket.send(JSON.stringify({ type: 'ping', id: asked, sent: Date.now() }));
    }, 1000);
    const end = setTimeout(() => {
      clearInterval(pings);
      socket.close();
    }, HELD_MS);
    socket.onclose = () => {
      clearInterval(pings);
      clearTimeout(end);
    };
  };

  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === 'tick') {
      tickAge.add(Date.now() - message.ts);
      if (last !== null && message.seq > last + 1) gaps.add(message.seq - last - 1);
      last = message.seq;
    } else if (message.type === 'pong') {
      pingTime.add(Date.now() - message.sent);
    }
  };

  socket.onerror = () => {
    if (!opened) connected.add(false);
  };
}
