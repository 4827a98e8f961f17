// A poller as a user of k6 writes it.
import http from 'k6/http';
import { check, sleep } from 'k6';

const everyS = parseFloat(__ENV.PEER_EVERY);

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
  if (__ITER === 0) sleep(Math.random() * everyS);
  const began = Date.now();
  const answer = http.get(`http://127.0.0.1:${__ENV.PEER_PORT}/api/vn30-components`);
  check(answer, { 'has components': (it) => it.status === 200 && 'components' in it.json() });
  sleep(Math.max(0, everyS - (Date.now() - began) / 1000));
}
