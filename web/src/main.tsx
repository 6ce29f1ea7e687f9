import '@mantine/core/styles.css';
import 'mantine-datatable/styles.css';
import './styles.css';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';

const place = document.getElementById('root');
if (place === null) throw new Error('The page has no #root element.');
createRoot(place).render(<App />);
