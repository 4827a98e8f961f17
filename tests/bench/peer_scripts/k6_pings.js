// A ping-pong as a user of k6 writes it. A user whose connection ends begins anew, as k6 has it.
import { WebSocket } from 'k6/websockets';
import { Counter, Trend } from 'k6/metrics';

const everyMs = parseFloat(__ENV.PEER_EVERY) * 1000;
const pingTime = new Trend('ping_time', true);
const failed = new Counter('failed');

export const options = {
  summaryTrendStats: ['med', 'p(99)', 'max'],
  scenarios: {
    users: {
      executor: 'constant-vus',
      vus: Number(__ENV.PEER_CLIENTS),
      duration: `${__ENV.PEER_SECONDS}s`,
      gracefulStop: '0s',
    },
  },
};

export default function () {
  const socket = new WebSocket(`ws://127.0.0.1:${__ENV.PEER_PORT}/ws`);
  const asked = [];
  let pings = null;

  const ping = () => {
    asked.push(Date.now());
    socket.send(JSON.stringify({ type: 'ping' }));
  };
  socket.onopen = () => {
    setTimeout(() => {
      ping();
      pings = setInterval(ping, everyMs);
    }, Math.random() * everyMs);
  };
  socket.onmessage = (event) => {
    if (JSON.parse(event.data).type === 'pong') pingTime.add(Date.now() - asked.shift());
  };
  socket.onerror = () => failed.add(1);
  socket.onclose = () => {
    if (pings !== null) clearInterval(pings);
  };
}
