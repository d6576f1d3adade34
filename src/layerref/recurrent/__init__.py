"""Recurrent layers: a sequence is read step by step, and a state is carried along."""

from layerref.recurrent.gru import GRU, GRUCell
from layerref.recurrent.gru import gru_step as gru_step
from layerref.recurrent.lstm import LSTM, LSTMCell
from layerref.recurrent.lstm import lstm_step as lstm_step
from layerref.recurrent.rnn import RNN, RNNCell
from layerref.recurrent.rnn import rnn_step as rnn_step

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]
